{{/* The chart's name, within a label's 63 characters. */}}
{{- define "podkeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of the objects: the release's and the chart's, once where one contains the other. */}}
{{- define "podkeeper.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "podkeeper.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "podkeeper.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The name of cluster-scoped objects, which releases in two namespaces must not share. */}}
{{- define "podkeeper.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "podkeeper.fullname" .) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "podkeeper.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "podkeeper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* What selects the pods. It never changes: a Deployment's selector is immutable. */}}
{{- define "podkeeper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podkeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "podkeeper.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "podkeeper.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: replica
app.kubernetes.io/part-of: podkeeper
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image's reference from {registry, repository, tag, digest} and a default tag. */}}
{{- define "podkeeper.image" -}}
{{- $image := .image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .defaultTag $image.tag }}{{ end -}}
{{- end }}

{{/* Rules that concern more than one value. */}}
{{- define "podkeeper.check" -}}
{{- range $needed := list "pods" "nodes" }}
{{- if not (has $needed $.Values.config.resources) }}
{{- fail (printf "config.resources lacks %s, which /state is derived from: add it" $needed) }}
{{- end }}
{{- end }}
{{- if and (has "secrets" .Values.config.resources) (not (has "secrets" .Values.config.allowSensitive)) }}
{{- fail "config.resources has secrets, whose objects hold credentials: add it to config.allowSensitive if that is meant" }}
{{- end }}
{{- if and (ne .Values.config.cleanUpTerminalPods "Disabled") (regexMatch "^(0[a-z]*)+$" (toString .Values.config.terminalPodTtl)) }}
{{- fail "config.cleanUpTerminalPods needs config.terminalPodTtl, which says how long finished pods are kept: give it, for example 24h" }}
{{- end }}
{{- $seen := dict }}
{{- range $name, $port := .Values.ports }}
{{- $key := printf "%v" $port }}
{{- $where := printf "ports.%s" $name }}
{{- if hasKey $seen $key }}
{{- fail (printf "%s and %s are both %s: give each a port of its own" (get $seen $key) $where $key) }}
{{- end }}
{{- $_ := set $seen $key $where }}
{{- end }}
{{- $pdb := .Values.podDisruptionBudget }}
{{- if and $pdb.enabled (eq (kindIs "invalid" $pdb.minAvailable) (kindIs "invalid" $pdb.maxUnavailable)) }}
{{- fail "podDisruptionBudget: give one of minAvailable and maxUnavailable, and null for the other" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: every replica would be scraped twice" }}
{{- end }}
{{- end }}

{{/* The configuration file: `config`, and what is the chart's to say. */}}
{{- define "podkeeper.config" -}}
apiVersion: config.podkeeper.dev/v1alpha1
kind: PodkeeperConfiguration
{{- with .Values.apiserver.url }}
apiserver: {{ . | quote }}
{{- end }}
apiBindAddress: {{ printf "127.0.0.1:%v" .Values.ports.api | quote }}
authMode: None
metricsBindAddress: {{ printf ":%v" .Values.ports.metrics | quote }}
healthProbeBindAddress: {{ printf ":%v" .Values.ports.health | quote }}
leaderElectResourceName: {{ include "podkeeper.fullname" . | quote }}
{{- if .Values.apiserver.url }}
leaderElectResourceNamespace: {{ .Release.Namespace | quote }}
{{- end }}
{{- range $key, $value := .Values.config }}
{{- if kindIs "slice" $value }}
{{ $key }}: {{ toJson $value }}
{{- else if kindIs "float64" $value }}
{{ $key }}: {{ int64 $value }}
{{- else }}
{{ $key }}: {{ $value }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What podkeeper needs, and no more: a rule a group for the mirrors of `config.resources`, and what
following policies takes: reading them, writing their status, telling of them by Events, of which
a series goes up by a patch. Pods are deleted only where `config.cleanUpTerminalPods` says so. How a custom resource is shown stands in its definition; only a custom
one's group has to be a domain.
*/}}
{{- define "podkeeper.rules" -}}
{{- $groups := dict }}
{{- $custom := list }}
{{- range .Values.config.resources }}
{{- $name := regexReplaceAll "^([^.]+)[.]v[1-9][0-9]*(?:(?:alpha|beta)[1-9][0-9]*)?[.](.*)$" . "${1}.${2}" }}
{{- $parts := splitn "." 2 $name }}
{{- $group := default "" $parts._1 }}
{{- $_ := set $groups $group (append (default (list) (get $groups $group)) $parts._0) }}
{{- if contains "." $group }}
{{- $custom = append $custom $name }}
{{- end }}
{{- end }}
{{- range $group, $plurals := $groups }}
- apiGroups: [{{ $group | quote }}]
  resources: {{ $plurals | uniq | sortAlpha | toJson }}
  verbs: ["list", "watch"]
{{- end }}
{{- with $custom }}
- apiGroups: ["apiextensions.k8s.io"]
  resources: ["customresourcedefinitions"]
  resourceNames: {{ . | uniq | sortAlpha | toJson }}
  verbs: ["get"]
{{- end }}
{{- if ne .Values.config.cleanUpTerminalPods "Disabled" }}
- apiGroups: [""]
  resources: ["pods"]
  verbs: ["delete"]
{{- end }}
- apiGroups: ["podkeeper.dev"]
  resources: ["concurrentmappolicies"]
  verbs: ["list", "watch"]
- apiGroups: ["podkeeper.dev"]
  resources: ["concurrentmappolicies/status"]
  verbs: ["patch"]
- apiGroups: ["events.k8s.io"]
  resources: ["events"]
  verbs: ["create", "patch"]
{{- end }}

{{/* A scrape's settings, the same for ServiceMonitor and PodMonitor. */}}
{{- define "podkeeper.endpoint" -}}
- port: metrics
  path: /metrics
  scheme: http
  {{- with .interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
