{{/* Names, labels, images and what every pod has. */}}

{{- define "carbon-kube.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 50 characters leave room for the longest suffix, `-scheduler-vol` and a CronJob's own eleven. */}}
{{- define "carbon-kube.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* A ConfigMap of the cluster that this release installed: root, name. JSON, or nothing.
Helm deletes what it installed and is rendered no more; what poller, tuner or people have written into since
is rendered as it is instead. Argo CD, which renders without the cluster, is told by annotations. */}}
{{- define "carbon-kube.installed" -}}
{{- $live := lookup "v1" "ConfigMap" .root.Release.Namespace .name | default dict }}
{{- if eq (dig "metadata" "annotations" "meta.helm.sh/release-name" "" $live) .root.Release.Name }}
{{- toJson $live }}
{{- end }}
{{- end }}

{{- define "carbon-kube.notPruned" -}}
argocd.argoproj.io/sync-options: Prune=false
argocd.argoproj.io/compare-options: IgnoreExtraneous
{{- end }}

{{/* What a Service or Deployment selects by. It must not change between versions. */}}
{{- define "carbon-kube.selector" -}}
app.kubernetes.io/name: {{ include "carbon-kube.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "carbon-kube.labels" -}}
{{ include "carbon-kube.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: carbon-kube
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* `metadata` of an object: root, component, name; optionally labels and annotations of its own. */}}
{{- define "carbon-kube.metadata" -}}
metadata:
  name: {{ .name }}
  {{- if not .clusterWide }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  {{- end }}
  labels:
    {{- include "carbon-kube.labels" . | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with mergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Labels and annotations of a component's pods: root, component, values, checksums. */}}
{{- define "carbon-kube.podMetadata" -}}
metadata:
  # Not the chart's version: an upgrade that changes nothing in a pod leaves it running.
  labels:
    {{- include "carbon-kube.selector" . | nindent 4 }}
    app.kubernetes.io/part-of: carbon-kube
    {{- with .root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with .checksum }}
    checksum/config: {{ . }}
    {{- end }}
    {{- with .authority }}
    checksum/authority: {{ . }}
    {{- end }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "carbon-kube.image" -}}
{{- $image := .values.image }}
{{- $name := printf "%s/%s" .root.Values.image.registry $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* The restricted profile of Pod Security, and no writable root. 65532 is `nonroot` of the images. */}}
{{- define "carbon-kube.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "carbon-kube.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where a component's pods run: values. */}}
{{- define "carbon-kube.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Replicas apart from each other, as far as that is possible. */}}
{{- define "carbon-kube.spread" -}}
topologySpreadConstraints:
  {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "carbon-kube.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{/* Probes of our own services. */}}
{{- define "carbon-kube.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  failureThreshold: 2
{{- end }}

{{- define "carbon-kube.hasExtender" -}}
{{- if ne .Values.scheduler.mode "none" }}true{{ end }}
{{- end }}

{{- define "carbon-kube.hasTls" -}}
{{- if ne .Values.tls.mode "none" }}true{{ end }}
{{- end }}

{{- define "carbon-kube.extenderHost" -}}
{{ include "carbon-kube.fullname" . }}-extender.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "carbon-kube.tlsSecret" -}}
{{- if eq .Values.tls.mode "existing" }}{{ .Values.tls.existingSecret }}{{ else }}{{ include "carbon-kube.fullname" . }}-extender-tls{{ end }}
{{- end }}

{{- define "carbon-kube.credentialsSecret" -}}
{{- if .Values.credentials.existingSecret }}
{{- .Values.credentials.existingSecret }}
{{- else if or .Values.credentials.inline .Values.credentials.externalSecret.enabled }}
{{- include "carbon-kube.fullname" . }}-credentials
{{- end }}
{{- end }}

{{/* The entry in `extenders` of a KubeSchedulerConfiguration. */}}
{{- define "carbon-kube.schedulerEntry" -}}
{{- $entry := .Values.scheduler.extender }}
- urlPrefix: {{ if include "carbon-kube.hasTls" . }}https{{ else }}http{{ end }}://{{ include "carbon-kube.extenderHost" . }}:8443/v1
  {{- if $entry.filter }}
  filterVerb: filter
  {{- end }}
  prioritizeVerb: prioritize
  {{- if $entry.preempt }}
  preemptVerb: preempt
  {{- end }}
  weight: {{ $entry.weight }}
  # Names instead of whole nodes: without it kube-scheduler 1.37 loses its own resource scores.
  nodeCacheCapable: true
  ignorable: {{ $entry.ignorable }}
  httpTimeout: {{ $entry.httpTimeout }}
  {{- if include "carbon-kube.hasTls" . }}
  enableHTTPS: true
  tlsConfig: {caFile: /etc/carbon-kube/ca.crt}
  {{- else }}
  enableHTTPS: false
  {{- end }}
{{- end }}
