output "cluster" {
  description = "What `deploy --cluster` wants."
  value       = google_container_cluster.this.name
}

output "backup_bucket" {
  description = "What `deploy --backup` wants."
  value       = "gs://${google_storage_bucket.backup.name}"
}

output "provider_keys_secret" {
  description = "The secret to fill in with the keys of data providers."
  value       = google_secret_manager_secret.provider_keys.secret_id
}
