# Where configuration and policies are kept, every version of them.

resource "google_storage_bucket" "backup" {
  project                     = var.project
  location                    = var.region
  name                        = "${var.project}-${var.name}-backup"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection
  labels                      = var.labels

  versioning {
    enabled = true
  }

  encryption {
    default_kms_key_name = google_kms_crypto_key.this["backup"].id
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 400
      num_newer_versions         = 30
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.backup]
}
