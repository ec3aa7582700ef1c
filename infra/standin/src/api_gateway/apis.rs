//! REST APIs, as far as they are described: `GetRestApi`, `GetResources`.
//!
//! Set as a scene, and not enforced: the data plane asks every request for a key.

use std::collections::BTreeMap;

use super::error::{Exception, Refusal};
use super::model::{Listing, Model, PageOf};
use super::objects::{Resource, RestApi};

impl Model {
    /// Makes an API with these methods: path, HTTP method, whether it requires a key.
    pub fn add_rest_api(&mut self, id: &str, methods: &[(&str, &str, bool)]) {
        let mut api = RestApi::default();
        for (path, method, requires_key) in methods {
            let known = api.resources.values_mut().find(|resource| resource.path == *path);
            if let Some(resource) = known {
                resource.methods.insert((*method).to_owned(), *requires_key);
                continue;
            }
            let methods = BTreeMap::from([((*method).to_owned(), *requires_key)]);
            let resource = Resource { id: self.fresh_id(), path: (*path).to_owned(), methods };
            api.resources.insert(resource.id.clone(), resource);
        }
        self.rest_apis.insert(id.to_owned(), api);
    }

    /// `GetRestApi`.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn get_rest_api(&self, id: &str) -> Result<&RestApi, Refusal> {
        self.rest_apis.get(id).ok_or_else(no_such_api)
    }

    /// An API, to be changed by its owner.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn rest_api_mut(&mut self, id: &str) -> Result<&mut RestApi, Refusal> {
        self.rest_apis.get_mut(id).ok_or_else(no_such_api)
    }

    /// `GetResources`.
    ///
    /// # Errors
    /// `NotFoundException`; `BadRequestException` for a bad page.
    pub fn get_resources(&self, api: &str, page: &Listing) -> Result<PageOf<Resource>, Refusal> {
        page.cut(self.get_rest_api(api)?.resources.iter())
    }
}

fn no_such_api() -> Refusal {
    Exception::NotFound.because("Invalid API identifier specified")
}
