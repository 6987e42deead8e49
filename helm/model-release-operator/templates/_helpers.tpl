{{- /* Names are fixed: the operator knows its Lease by name, and two operators in a cluster must not serve one release. */ -}}
{{- define "operator.name" -}}
model-release-operator
{{- end -}}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "operator.name" .) }}
{{- end -}}

{{- define "operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- define "operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Renders nothing; refuses values that cannot be meant. */ -}}
{{- define "operator.check" -}}
{{- if and .Values.watchAllNamespaces .Values.watchNamespaces -}}
{{- fail "\nwatchAllNamespaces and watchNamespaces are both set: give the list, or true, not both." -}}
{{- end -}}
{{- if not (or .Values.watchAllNamespaces .Values.watchNamespaces) -}}
{{- fail "\nThe operator does not know which namespaces to serve. Set watchNamespaces to the namespaces of your models, as in\n  --set 'watchNamespaces={models}'\nor set watchAllNamespaces=true to give it rights on all of them." -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "\nserviceAccount.create is false: name the ServiceAccount to use in serviceAccount.name." -}}
{{- end -}}
{{- end -}}

{{- define "operator.settings" -}}
traffic:
  clusterDomain: {{ .Values.traffic.clusterDomain }}
  meshExportTo: {{- .Values.traffic.meshExportTo | toYaml | nindent 4 }}
  maxClients: {{ .Values.traffic.maxClients | int64 }}
{{- with .Values.traffic.istiod }}
  istiod: {{ . | quote }}
{{- if $.Values.traffic.istiodToken }}
  istiodTokenFile: /var/run/secrets/istiod/token
{{- end }}
{{- end }}
{{- if .Values.gateways }}
gateways:
{{ .Values.gateways | toYaml }}
{{- else }}
gateways: []
{{- end }}
prometheus:
{{- if .Values.prometheus.sources }}
  sources:
  {{- range .Values.prometheus.sources }}
    - {{- omit . "tokenSecret" | toYaml | nindent 6 }}
      {{- if .tokenSecret }}
      tokenFile: /var/run/secrets/prometheus/{{ .name }}/{{ .tokenSecret.key }}
      {{- end }}
  {{- end }}
{{- else }}
  sources: []
{{- end }}
queryTemplates: {{- .Values.queryTemplates | toYaml | nindent 2 }}
serviceAccounts: {{ .Values.serviceAccounts | toJson }}
fetcherImage: {{ .Values.fetcherImage | default (printf "modelrelease/fetcher:%s" .Chart.AppVersion) | quote }}
metrics:
  {{- /* An unquoted `off` is a boolean of YAML. */}}
  perRelease: {{ .Values.metrics.perRelease | toString | replace "false" "off" | quote }}
propagationWaitSeconds: {{ .Values.propagationWaitSeconds | int64 }}
detectSeconds: {{ .Values.detectSeconds | int64 }}
{{- end -}}
