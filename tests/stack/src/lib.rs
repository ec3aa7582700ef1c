//! Scenarios, contract suite and call counts over HTTP.
