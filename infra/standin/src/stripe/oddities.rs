//! What tests make odd: fields that are shown otherwise than the model has them.
//!
//! Stripe's older objects, its newer shapes and whoever is between do not always show what its
//! pages describe: ids of other forms, nulls, floats, half of a surrogate pair. The model stays
//! as it is; an oddity is laid over an object wherever it is shown, by itself, in a list,
//! expanded, or in an event.

use serde_json::Value;

use super::state::Stripe;

impl Stripe {
    /// From now on an object is shown with this text at a JSON pointer (RFC 6901; the empty one
    /// is the object itself). The text is JSON, or what one wants to see taken for it. A field
    /// that the object does not have is added to it.
    pub fn make_odd(&mut self, id: &str, pointer: &str, raw: &str) {
        let fields = self.oddities.0.entry(id.to_owned()).or_default();
        fields.insert(pointer.to_owned(), raw.to_owned());
    }

    /// From now on an object is shown as the model has it.
    pub fn mend(&mut self, id: &str) {
        self.oddities.0.remove(id);
    }

    /// An answer or an event as it is sent.
    pub fn text_of(&self, mut shown: Value) -> String {
        if self.is_plain() {
            return shown.to_string();
        }
        let mut texts = Vec::new();
        self.lay_over(&mut shown, &mut |raw| {
            texts.push(raw.to_owned());
            Value::String(mark(texts.len() - 1))
        });
        let text = shown.to_string();
        let texts = texts.iter().enumerate();
        texts.fold(text, |text, (n, raw)| text.replace(&Value::String(mark(n)).to_string(), raw))
    }

    /// An object as far as what is laid over it is JSON; what is not, is null.
    pub fn as_told(&self, mut shown: Value) -> Value {
        let told = |raw: &str| serde_json::from_str(raw).unwrap_or(Value::Null);
        self.lay_over(&mut shown, &mut |raw| told(raw));
        shown
    }

    /// Whether everything is shown as the model has it.
    pub fn is_plain(&self) -> bool {
        self.oddities.0.is_empty()
    }

    fn lay_over(&self, shown: &mut Value, odd: &mut dyn FnMut(&str) -> Value) {
        let id = shown.get("id").and_then(Value::as_str).map(str::to_owned);
        match shown {
            Value::Object(fields) => fields.values_mut().for_each(|it| self.lay_over(it, odd)),
            Value::Array(rows) => rows.iter_mut().for_each(|it| self.lay_over(it, odd)),
            _ => {}
        }
        for (pointer, raw) in id.and_then(|id| self.oddities.0.get(&id)).into_iter().flatten() {
            put(shown, pointer, odd(raw));
        }
    }
}

/// Puts a value where a pointer points to, or beside what its parent has.
fn put(shown: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = shown.pointer_mut(pointer) {
        *place = value;
    } else if let Some((parent, field)) = pointer.rsplit_once('/')
        && let Some(Value::Object(fields)) = shown.pointer_mut(parent)
    {
        fields.insert(field.to_owned(), value);
    }
}

/// What stands for a text until the rest is written.
fn mark(number: usize) -> String {
    format!("\u{0}odd {number}\u{0}")
}
