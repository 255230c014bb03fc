resource "google_container_cluster" "this" {
  project             = var.project
  location            = var.region
  name                = var.name
  network             = google_compute_network.this.id
  subnetwork          = google_compute_subnetwork.nodes.id
  deletion_protection = var.deletion_protection
  resource_labels     = var.labels

  # Its nodes are the pool below.
  remove_default_node_pool = true
  initial_node_count       = 1

  # Network policies are enforced, and every node sees its own traffic.
  datapath_provider           = "ADVANCED_DATAPATH"
  enable_intranode_visibility = true
  enable_shielded_nodes       = true

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.api_server_cidrs) == 0
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.api_server_cidrs
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  # Pods have Google Cloud identities of their own instead of the node's.
  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  database_encryption {
    state    = "ENCRYPTED"
    key_name = google_kms_crypto_key.this["secrets"].id
  }

  release_channel {
    channel = "REGULAR"
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER"]
  }

  # Scrapes what the chart's ServiceMonitors name only with a Prometheus Operator; Google's own is an addition.
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = true
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.secrets]
}

resource "google_container_node_pool" "this" {
  project  = var.project
  location = var.region
  name     = "nodes"
  cluster  = google_container_cluster.this.name

  autoscaling {
    min_node_count = var.nodes.min
    max_node_count = var.nodes.max
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type    = var.nodes.machine_type
    disk_size_gb    = var.nodes.disk_gib
    image_type      = "COS_CONTAINERD"
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    resource_labels = var.labels
    metadata        = { disable-legacy-endpoints = "true" }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
}
