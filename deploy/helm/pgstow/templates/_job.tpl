{{/* A CronJob of pgstow: the words it runs, its variables, its secret. Called with a dict of name, root, job, args. */}}
{{- define "pgstow.cronjob" -}}
{{- $root := .root -}}
{{- $job := .job -}}
{{- $values := $root.Values -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ $root.Release.Name }}-{{ .name }}
  labels:
    app.kubernetes.io/name: pgstow
    app.kubernetes.io/instance: {{ $root.Release.Name }}
    helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
spec:
  schedule: {{ $job.schedule | quote }}
  timeZone: {{ $job.timeZone }}
  suspend: {{ $job.suspend }}
  # Two at once would only slow each other down.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 5
  jobTemplate:
    spec:
      backoffLimit: {{ $job.backoffLimit }}
      # A drained node is no failure. A database that was not reached or read may be a moment later, and a session of a node that is
      # gone may hold its lock for a while; all else comes again, and a store that fails was waited for already.
      podFailurePolicy:
        rules:
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
                status: "True"
          - action: FailJob
            onExitCodes:
              containerName: pgstow
              operator: NotIn
              values: [11, 16]
      activeDeadlineSeconds: {{ $job.activeDeadlineSeconds }}
      template:
        metadata:
          labels:
            app.kubernetes.io/name: pgstow
            app.kubernetes.io/instance: {{ $root.Release.Name }}
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          {{- if or $values.serviceAccount.create $values.serviceAccount.name }}
          serviceAccountName: {{ include "pgstow.serviceAccount" $root }}
          {{- end }}
          # SIGTERM aborts the upload, so that no unfinished parts stay in the bucket, and reports the failure.
          terminationGracePeriodSeconds: 60
          securityContext:
            runAsNonRoot: true
            {{- if not $values.openshift }}
            {{- toYaml $values.securityContext | nindent 12 }}
            {{- end }}
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: pgstow
              image: {{ printf "%s:%s" $values.image.repository .tag | quote }}
              args: {{ toJson .args }}
              envFrom:
                - secretRef:
                    name: {{ $job.secret }}
              env:
                - name: PGSTOW_STORE
                  value: {{ $values.store | quote }}
                {{- with .recipients }}
                - name: PGSTOW_RECIPIENTS
                  value: {{ join "\n" . | quote }}
                {{- end }}
                {{- if .scratch }}
                - name: TMPDIR
                  value: /scratch
                {{- end }}
                {{- with concat $values.env $job.env }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              resources:
                {{- toYaml $job.resources | nindent 16 }}
              {{- if .scratch }}
              volumeMounts:
                - name: scratch
                  mountPath: /scratch
              {{- end }}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: ["ALL"]
          {{- if .scratch }}
          volumes:
            - name: scratch
              emptyDir: {{ if $job.scratch }}{{ toJson (dict "sizeLimit" $job.scratch) }}{{ else }}{}{{ end }}
          {{- end }}
          {{- with $values.nodeSelector }}
          nodeSelector:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.tolerations }}
          tolerations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
{{- end }}

{{- define "pgstow.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- define "pgstow.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
