# What each component may do in Google Cloud. Extender, poller and tuner: nothing, so they have no account.

resource "google_service_account" "nodes" {
  project      = var.project
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
}

resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.value
  member   = google_service_account.nodes.member
}

locals {
  # Kubernetes service accounts as principals, without a service account of Google Cloud between.
  pool = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns"

  backup  = "${local.pool}/carbon-kube/sa/carbon-kube-backup"
  secrets = "${local.pool}/external-secrets/sa/external-secrets"
}

data "google_project" "this" {
  project_id = var.project
}

# New files, and nothing else: neither reading, nor deleting, nor writing over one.
resource "google_storage_bucket_iam_member" "backup" {
  bucket = google_storage_bucket.backup.name
  role   = "roles/storage.objectCreator"
  member = local.backup

  # The pool of identities comes with the first cluster.
  depends_on = [google_container_cluster.this]
}

# One secret with the keys of data providers, for the External Secrets operator, where there is one.
resource "google_secret_manager_secret" "provider_keys" {
  project   = var.project
  secret_id = "${var.name}-provider-keys"
  labels    = var.labels

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_iam_member" "external_secrets" {
  project   = var.project
  secret_id = google_secret_manager_secret.provider_keys.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.secrets

  # The pool of identities comes with the first cluster.
  depends_on = [google_container_cluster.this]
}
