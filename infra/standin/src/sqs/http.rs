//! The HTTP face: SQS's JSON protocol, one `POST /` with the operation in `X-Amz-Target`.
//!
//! Signatures are not looked at. An operation that is not modelled, or a field of one,
//! answers 501.

use crate::calls::Service;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::SqsStandin;
use super::error::SqsError;
use super::model::Model;
use super::outgoing::Outgoing;
use super::settings::Settings;
use super::wire::{
    ChangeMessageVisibility, CreateQueue, DeleteMessage, DeleteMessageBatch, GetQueueAttributes,
    GetQueueUrl, PurgeQueue, ReceiveMessage, SendEntry, SendMessage, SendMessageBatch, batch, md5,
    queue_name, received, sent, url, wanted,
};

type Answer = Result<Value, SqsError>;

impl SqsStandin {
    /// The service, to be the SDK's endpoint.
    pub fn service(&self) -> Router {
        Router::new()
            .route("/", post(serve))
            // 1 MiB of text can be six times as long in JSON: SQS shall judge it, not the server.
            .layer(DefaultBodyLimit::max(8 * 1024 * 1024))
            .with_state(self.clone())
    }

    fn dispatch(&self, operation: &str, host: &str, body: &Bytes) -> Answer {
        match operation {
            "CreateQueue" => self.http_create_queue(host, &read(body)?),
            "GetQueueUrl" => self.http_get_queue_url(host, &read(body)?),
            "GetQueueAttributes" => self.http_get_queue_attributes(&read(body)?),
            "SendMessage" => self.http_send(read(body)?),
            "SendMessageBatch" => self.http_send_batch(read(body)?),
            "ReceiveMessage" => self.http_receive(&read(body)?),
            "DeleteMessage" => self.http_delete(&read(body)?),
            "DeleteMessageBatch" => self.http_delete_batch(read(body)?),
            "ChangeMessageVisibility" => self.http_change_visibility(&read(body)?),
            "PurgeQueue" => self.http_purge(&read(body)?),
            _ => Err(SqsError::NotImplemented(operation.to_owned())),
        }
    }

    fn logged<T>(
        &self,
        operation: &'static str,
        subject: &str,
        act: impl FnOnce(&mut Model, Timestamp) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        self.calls.log(Service::Sqs, operation, subject);
        self.operate(act)
    }

    fn http_create_queue(&self, host: &str, request: &CreateQueue) -> Answer {
        let name = &request.queue_name;
        self.logged("CreateQueue", name, |model, now| {
            model.create_queue(name, Settings::read(&request.attributes)?, now)
        })?;
        Ok(json!({ "QueueUrl": url(host, name) }))
    }

    fn http_get_queue_url(&self, host: &str, request: &GetQueueUrl) -> Answer {
        let name = &request.queue_name;
        self.logged("GetQueueUrl", name, |model, _| model.queue(name).map(drop))?;
        Ok(json!({ "QueueUrl": url(host, name) }))
    }

    fn http_get_queue_attributes(&self, request: &GetQueueAttributes) -> Answer {
        let name = queue_name(&request.queue_url);
        let all = self.logged("GetQueueAttributes", name, |model, now| {
            model.get_queue_attributes(name, now)
        })?;
        let attributes: Map<_, _> = all
            .into_iter()
            .filter(|(name, _)| wanted(&request.attribute_names, name))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Ok(json!({ "Attributes": attributes }))
    }

    fn http_send(&self, request: SendMessage) -> Answer {
        let name = queue_name(&request.queue_url);
        let md5 = md5(&request.message_body);
        let outgoing = Outgoing {
            body: request.message_body,
            group: request.message_group_id,
            dedup: request.message_deduplication_id,
        };
        let send = |model: &mut Model, now| model.send_message(name, outgoing, now);
        Ok(sent(&self.logged("SendMessage", name, send)?, &md5))
    }

    fn http_send_batch(&self, request: SendMessageBatch) -> Answer {
        let name = queue_name(&request.queue_url);
        let sums: Vec<_> = request.entries.iter().map(|entry| md5(&entry.message_body)).collect();
        let outgoing = |entry: SendEntry| {
            let (group, dedup) = (entry.message_group_id, entry.message_deduplication_id);
            (entry.id, Outgoing { body: entry.message_body, group, dedup })
        };
        let entries = request.entries.into_iter().map(outgoing).collect();
        let send = |model: &mut Model, now| model.send_message_batch(name, entries, now);
        let results = self.logged("SendMessageBatch", name, send)?;
        let results = results.into_iter().zip(sums);
        Ok(batch(
            results.map(|((id, result), sum)| (id, result.map(|message| sent(&message, &sum)))),
        ))
    }

    fn http_receive(&self, request: &ReceiveMessage) -> Answer {
        let name = queue_name(&request.queue_url);
        let max = request.max_number_of_messages.unwrap_or(1);
        let visibility = request.visibility_timeout.map(SignedDuration::from_secs);
        let messages = self.logged("ReceiveMessage", name, |model, now| {
            model.receive_message(name, max, visibility, now)
        })?;
        let asked =
            [&request.attribute_names[..], &request.message_system_attribute_names].concat();
        let messages: Vec<_> = messages.iter().map(|message| received(message, &asked)).collect();
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn http_delete(&self, request: &DeleteMessage) -> Answer {
        let name = queue_name(&request.queue_url);
        self.logged("DeleteMessage", name, |model, now| {
            model.delete_message(name, &request.receipt_handle, now)
        })?;
        Ok(json!({}))
    }

    fn http_delete_batch(&self, request: DeleteMessageBatch) -> Answer {
        let name = queue_name(&request.queue_url);
        let entries =
            request.entries.into_iter().map(|entry| (entry.id, entry.receipt_handle)).collect();
        let delete = |model: &mut Model, now| model.delete_message_batch(name, entries, now);
        let results = self.logged("DeleteMessageBatch", name, delete)?;
        Ok(batch(results.into_iter().map(|(id, result)| (id, result.map(|()| json!({}))))))
    }

    fn http_change_visibility(&self, request: &ChangeMessageVisibility) -> Answer {
        let name = queue_name(&request.queue_url);
        let timeout = SignedDuration::from_secs(request.visibility_timeout);
        self.logged("ChangeMessageVisibility", name, |model, now| {
            model.change_message_visibility(name, &request.receipt_handle, timeout, now)
        })?;
        Ok(json!({}))
    }

    fn http_purge(&self, request: &PurgeQueue) -> Answer {
        let name = queue_name(&request.queue_url);
        self.logged("PurgeQueue", name, |model, now| model.purge_queue(name, now))?;
        Ok(json!({}))
    }
}

async fn serve(State(standin): State<SqsStandin>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let operation = text("x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS."));
    let host = text("host").unwrap_or("localhost");
    let json_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    match standin.dispatch(operation.unwrap_or("a call without X-Amz-Target"), host, &body) {
        Ok(answer) => (json_type, answer.to_string()).into_response(),
        Err(error) => (json_type, refuse(&error)).into_response(),
    }
}

fn refuse(error: &SqsError) -> Response {
    let (name, code) = error.names();
    let blame = if error.is_senders() { "Sender" } else { "Receiver" };
    let body =
        json!({ "__type": format!("com.amazonaws.sqs#{name}"), "message": error.to_string() });
    let status = StatusCode::from_u16(error.status()).expect("errors have real statuses");
    let mut response = (status, body.to_string()).into_response();
    let code = HeaderValue::from_str(&format!("{code};{blame}")).expect("codes are visible ASCII");
    response.headers_mut().insert("x-amzn-query-error", code);
    response
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, SqsError> {
    serde_json::from_slice(body)
        .map_err(|_| SqsError::NotImplemented("a field of the body, or its form,".into()))
}
