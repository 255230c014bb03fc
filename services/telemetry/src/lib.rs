//! Logs, metrics, health endpoints and shutdown of the services.
