//! The Lambda functions: one adapter per port, configuration, thin binaries.
