{{/* What a schema can't say: values that don't go together. NOTES.txt and every rendering come by here. */}}
{{- define "carbon-kube.checks" -}}
{{- $values := .Values }}
{{- if and (eq $values.tls.mode "existing") (not $values.tls.existingSecret) }}
{{- fail "tls.mode is `existing`, and tls.existingSecret names no Secret" }}
{{- end }}
{{- if and (ne $values.tls.mode "existing") $values.tls.existingSecret }}
{{- fail (printf "tls.existingSecret is set, and tls.mode is `%s`: set it to `existing`, or leave the Secret out" $values.tls.mode) }}
{{- end }}
{{- $sources := 0 }}
{{- if $values.credentials.existingSecret }}{{ $sources = add1 $sources }}{{ end }}
{{- if $values.credentials.inline }}{{ $sources = add1 $sources }}{{ end }}
{{- if $values.credentials.externalSecret.enabled }}{{ $sources = add1 $sources }}{{ end }}
{{- if gt (int $sources) 1 }}
{{- fail "credentials: choose one of existingSecret, inline and externalSecret" }}
{{- end }}
{{- if $values.credentials.externalSecret.enabled }}
{{- if not $values.credentials.externalSecret.secretStoreRef.name }}
{{- fail "credentials.externalSecret.secretStoreRef.name: name the store that the ExternalSecret reads" }}
{{- end }}
{{- if not (or $values.credentials.externalSecret.data $values.credentials.externalSecret.dataFrom) }}
{{- fail "credentials.externalSecret: give data or dataFrom; there is nothing to read" }}
{{- end }}
{{- end }}
{{- if gt (int $values.extender.autoscaling.minReplicas) (int $values.extender.autoscaling.maxReplicas) }}
{{- fail (printf "extender.autoscaling: minReplicas %v is more than maxReplicas %v" $values.extender.autoscaling.minReplicas $values.extender.autoscaling.maxReplicas) }}
{{- end }}
{{- if and $values.policy.actor (not $values.policy.yaml) }}
{{- fail "policy.actor is the network of policy.yaml, which is empty" }}
{{- end }}
{{- range $kind, $needed := dict "serviceMonitor" $values.serviceMonitor.enabled "prometheusRule" $values.prometheusRule.enabled }}
{{- if $needed }}
{{- include "carbon-kube.needsKind" (dict "root" $ "value" (printf "%s.enabled" $kind) "api" "monitoring.coreos.com/v1" "what" "the Prometheus Operator") }}
{{- end }}
{{- end }}
{{- if eq $values.tls.mode "cert-manager" }}
{{- include "carbon-kube.needsKind" (dict "root" . "value" "tls.mode: cert-manager" "api" "cert-manager.io/v1" "what" "cert-manager") }}
{{- end }}
{{- if $values.credentials.externalSecret.enabled }}
{{- include "carbon-kube.needsKind" (dict "root" . "value" "credentials.externalSecret.enabled" "api" "external-secrets.io/v1" "what" "the External Secrets Operator") }}
{{- end }}
{{- end }}

{{/* Only where there is a cluster to ask: `helm template` renders what it is told. */}}
{{- define "carbon-kube.needsKind" -}}
{{- if and (lookup "v1" "Namespace" "" "kube-system") (not (.root.Capabilities.APIVersions.Has .api)) }}
{{- fail (printf "%s: this cluster does not know %s; install %s first, or turn it off" .value .api .what) }}
{{- end }}
{{- end }}
