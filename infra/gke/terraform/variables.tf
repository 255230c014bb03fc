variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "region" {
  description = "Where the cluster is. docs/reference/cloud-regions.md has the grid of each region."
  type        = string
  default     = "europe-west9"
}

variable "name" {
  description = "Name of the cluster, and first part of every other name."
  type        = string
  default     = "carbon-kube"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "At most 20 small letters, digits and dashes: names of service accounts are made of it."
  }
}

variable "cidrs" {
  description = "Addresses of nodes, pods and services."
  type        = object({ nodes = string, pods = string, services = string })
  default     = { nodes = "10.60.0.0/20", pods = "10.64.0.0/14", services = "10.68.0.0/20" }
}

variable "api_server_cidrs" {
  description = "Who may reach the API server from outside of the network. Empty: nobody."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.api_server_cidrs : !endswith(cidr, "/0")])
    error_message = "An API server that is open to everybody is refused."
  }
}

variable "nodes" {
  description = "Machine type, and nodes per zone of the region."
  type        = object({ machine_type = string, min = number, max = number, disk_gib = number })
  default     = { machine_type = "e2-standard-2", min = 1, max = 4, disk_gib = 80 }
}

variable "deletion_protection" {
  description = "Whether cluster and backup outlive a `terraform destroy`."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of everything that has labels."
  type        = map(string)
  default     = {}
}
