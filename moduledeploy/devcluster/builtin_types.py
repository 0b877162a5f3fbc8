"""The types of the built-in kinds, in the notation of `moduledeploy.devcluster.gotypes`.

Fields follow the published Kubernetes v1 API; what the embedded cluster never looks into passes untouched (`...`).
"""

from __future__ import annotations

from typing import Final

_META: Final = """
ObjectMeta: name:string generateName:string namespace:string uid:string resourceVersion:string generation:int64
  creationTimestamp:time deletionTimestamp:time deletionGracePeriodSeconds?:int64 labels:{string} annotations:{string}
  ownerReferences:[OwnerReference|uid] finalizers:<string> managedFields:[ManagedFields] selfLink:string
ManagedFields: manager:string operation:string apiVersion:string time:time fieldsType:string fieldsV1:any
  subresource:string
DeleteOptions: gracePeriodSeconds?:int64 preconditions?:Preconditions orphanDependents?:bool propagationPolicy?:string
  dryRun:[string]
Preconditions: uid?:string resourceVersion?:string
Condition: type!:string status!:string observedGeneration:int64 lastTransitionTime!:time reason!:string message!:string
LabelSelector: matchLabels:{string} matchExpressions:[SelectorRequirement]
SelectorRequirement: key!:string operator!:string values:[string]
OwnerReference: apiVersion!:string kind!:string name!:string uid!:string controller?:bool blockOwnerDeletion?:bool
ObjectReference: kind:string namespace:string name:string uid:string apiVersion:string resourceVersion:string
  fieldPath:string
LocalObjectReference: name:string
MicroSeries: count:int32 lastObservedTime:microtime
Scale: spec!:ScaleSpec status!:ScaleStatus
ScaleSpec: replicas:int32
ScaleStatus: replicas!:int32 selector:string
"""

_POD: Final = """
Pod: spec!:PodSpec status!:PodStatus
PodSpec: volumes:[Volume|name] initContainers:[Container|name] containers!:[Container|name]
  ephemeralContainers:[Container|name] restartPolicy:string terminationGracePeriodSeconds?:int64
  activeDeadlineSeconds?:int64 dnsPolicy:string nodeSelector:#{string} serviceAccountName:string serviceAccount:string
  automountServiceAccountToken?:bool nodeName:string hostNetwork:bool hostPID:bool hostIPC:bool
  shareProcessNamespace?:bool securityContext?:PodSecurityContext imagePullSecrets:[#LocalObjectReference|name]
  hostname:string subdomain:string affinity:any schedulerName:string tolerations:[Toleration]
  hostAliases:[HostAlias|ip] priorityClassName:string priority?:int32 dnsConfig:any readinessGates:[ReadinessGate]
  runtimeClassName?:string enableServiceLinks?:bool preemptionPolicy?:string overhead:{quantity}
  topologySpreadConstraints:[TopologySpread|topologyKey,whenUnsatisfiable] setHostnameAsFQDN?:bool os:{any}
  hostUsers?:bool schedulingGates:[SchedulingGate|name] resourceClaims:[ResourceClaim|name] resources:Resources
  hostnameOverride?:string
SchedulingGate: name!:string
ResourceClaim: name!:string ...
ReadinessGate: conditionType!:string
HostAlias: ip!:string hostnames:[string]
TopologySpread: maxSkew!:int32 topologyKey!:string whenUnsatisfiable!:string ...
Toleration: key:string operator:string value:string effect:string tolerationSeconds?:int64
PodSecurityContext: ...
Volume: name!:string ...
Container: name!:string image:string command:[string] args:[string] workingDir:string
  ports:[ContainerPort|containerPort,protocol] envFrom:[{any}] env:[EnvVar|name] resources!:Resources
  resizePolicy:[any] restartPolicy?:string volumeMounts:[VolumeMount|mountPath] volumeDevices:[VolumeDevice|devicePath]
  livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle terminationMessagePath:string
  terminationMessagePolicy:string imagePullPolicy:string securityContext:{any} stdin:bool stdinOnce:bool tty:bool
  targetContainerName:string restartPolicyRules:[any]
ContainerPort: name:string hostPort:int32 containerPort!:int32 protocol:string hostIP:string
EnvVar: name!:string value:string valueFrom:EnvSource
EnvSource: fieldRef:#FieldRef resourceFieldRef:#{any} configMapKeyRef:#{any} secretKeyRef:#{any} fileKeyRef:#{any}
FieldRef: apiVersion:string fieldPath!:string
Lifecycle: postStart?:Hook preStop?:Hook stopSignal:string
Hook: exec:any httpGet:HttpGet tcpSocket:TcpSocket sleep:any
Resources: limits:{quantity} requests:{quantity} claims:[ResourceClaim|name]
VolumeMount: name!:string readOnly:bool mountPath!:string subPath:string mountPropagation?:string subPathExpr:string
  recursiveReadOnly?:string
VolumeDevice: name!:string devicePath!:string
Probe: exec:any httpGet:HttpGet tcpSocket:TcpSocket grpc:any initialDelaySeconds:int32 timeoutSeconds:int32
  periodSeconds:int32 successThreshold:int32 failureThreshold:int32 terminationGracePeriodSeconds?:int64
HttpGet: path:string port!:intstr host:string scheme:string httpHeaders:[any]
TcpSocket: port!:intstr host:string
PodStatus: observedGeneration:int64 phase:string conditions:[PodCondition|type] message:string reason:string
  nominatedNodeName:string hostIP:string hostIPs:[HostIP] podIP:string podIPs:[PodIP|ip] startTime:time
  initContainerStatuses:[ContainerStatus] containerStatuses:[ContainerStatus] qosClass:string
  ephemeralContainerStatuses:[ContainerStatus] resize:string resourceClaimStatuses:[ResourceClaim|name]
PodCondition: type!:string observedGeneration:int64 status!:string lastProbeTime!:time lastTransitionTime!:time
  reason:string message:string
HostIP: ip!:string
PodIP: ip!:string
ContainerStatus: name!:string state!:ContainerState lastState!:ContainerState ready!:bool restartCount!:int32
  image!:string imageID!:string containerID:string started?:bool allocatedResources:{quantity} resources:Resources
  volumeMounts:[any] user:any
ContainerState: waiting:Waiting running:Running terminated:Terminated
Waiting: reason:string message:string
Running: startedAt!:time
Terminated: exitCode!:int32 signal:int32 reason:string message:string startedAt!:time finishedAt!:time
  containerID:string
PodTemplate: metadata!:TemplateMeta spec!:PodSpec
TemplateMeta: name:string generateName:string namespace:string labels:{string} annotations:{string} finalizers:<string>
  creationTimestamp:time
"""

_CORE: Final = """
Namespace: spec!:NamespaceSpec status!:NamespaceStatus
NamespaceSpec: finalizers:[string]
NamespaceStatus: phase:string conditions:[Condition|type]
Node: spec!:NodeSpec status!:NodeStatus
NodeSpec: podCIDR:string podCIDRs:<string> providerID:string unschedulable:bool taints:[Taint] ...
Taint: key!:string value:string effect!:string timeAdded:time
NodeStatus: capacity:{quantity} allocatable:{quantity} phase:string conditions:[NodeCondition|type]
  addresses:[NodeAddress|type] daemonEndpoints!:DaemonEndpoints nodeInfo!:NodeInfo images:[any] ...
NodeCondition: type!:string status!:string lastHeartbeatTime!:time lastTransitionTime!:time reason:string message:string
NodeAddress: type!:string address!:string
DaemonEndpoints: kubeletEndpoint!:DaemonEndpoint
DaemonEndpoint: Port!:int32
NodeInfo: machineID!:string systemUUID!:string bootID!:string kernelVersion!:string osImage!:string
  containerRuntimeVersion!:string kubeletVersion!:string kubeProxyVersion!:string operatingSystem!:string
  architecture!:string swap:any
Service: spec!:ServiceSpec status!:ServiceStatus
ServiceSpec: ports:[ServicePort|port,protocol] selector:#{string} clusterIP:string clusterIPs:[string] type:string
  externalIPs:[string] sessionAffinity:string loadBalancerIP:string loadBalancerSourceRanges:[string]
  externalName:string externalTrafficPolicy:string healthCheckNodePort:int32 publishNotReadyAddresses:bool
  sessionAffinityConfig:AffinityConfig ipFamilies:[string] ipFamilyPolicy?:string allocateLoadBalancerNodePorts?:bool
  loadBalancerClass?:string internalTrafficPolicy?:string trafficDistribution?:string
ServicePort: name:string protocol:string appProtocol?:string port!:int32 targetPort!:intstr nodePort:int32
ServiceStatus: loadBalancer!:LoadBalancer conditions:[Condition|type]
AffinityConfig: clientIP:AffinityTime
AffinityTime: timeoutSeconds?:int32
LoadBalancer: ingress:[any]
ConfigMap: immutable?:bool data:{string} binaryData:{bytes}
Secret: immutable?:bool data:{bytes} stringData:{string} type:string
ServiceAccount: secrets:[#ObjectReference|name] imagePullSecrets:[#LocalObjectReference]
  automountServiceAccountToken?:bool
Endpoints: subsets:[any]
Event: involvedObject!:#ObjectReference reason:string message:string source!:EventSource firstTimestamp!:time
  lastTimestamp!:time count:int32 type:string eventTime!:microtime series:MicroSeries action:string
  related:#ObjectReference reportingComponent!:string reportingInstance!:string
EventSource: component:string host:string
NewEvent: eventTime!:microtime series:MicroSeries reportingController:string reportingInstance:string action:string
  reason:string regarding:#ObjectReference related:#ObjectReference note:string type:string
  deprecatedSource!:EventSource deprecatedFirstTimestamp!:time deprecatedLastTimestamp!:time deprecatedCount:int32
"""

_APPS: Final = """
Deployment: spec!:DeploymentSpec status!:DeploymentStatus
DeploymentSpec: replicas?:int32 selector?:#LabelSelector template!:PodTemplate strategy!:DeploymentStrategy
  minReadySeconds:int32 revisionHistoryLimit?:int32 paused:bool progressDeadlineSeconds?:int32
DeploymentStrategy: type:string rollingUpdate?:RollingUpdate
RollingUpdate: maxUnavailable?:intstr maxSurge?:intstr
DeploymentStatus: observedGeneration:int64 replicas:int32 updatedReplicas:int32 readyReplicas:int32
  availableReplicas:int32 unavailableReplicas:int32 terminatingReplicas?:int32 collisionCount?:int32
  conditions:[DeploymentCondition|type]
DeploymentCondition: type!:string status!:string lastUpdateTime!:time lastTransitionTime!:time reason:string
  message:string
ReplicaSet: spec!:ReplicaSetSpec status!:ReplicaSetStatus
ReplicaSetSpec: replicas?:int32 minReadySeconds:int32 selector?:#LabelSelector template!:PodTemplate
ReplicaSetStatus: replicas!:int32 fullyLabeledReplicas:int32 readyReplicas:int32 availableReplicas:int32
  terminatingReplicas?:int32 observedGeneration:int64 conditions:[ReplicaSetCondition|type]
ReplicaSetCondition: type!:string status!:string lastTransitionTime!:time reason:string message:string
Lease: spec!:LeaseSpec
LeaseSpec: holderIdentity?:string leaseDurationSeconds?:int32 acquireTime:microtime renewTime:microtime
  leaseTransitions?:int32 strategy?:string preferredHolder?:string
EndpointSlice: addressType!:string endpoints!:[Endpoint] ports!:[EndpointPort]
Endpoint: addresses!:<string> conditions!:EndpointConditions hostname?:string targetRef:#ObjectReference
  deprecatedTopology:{string} nodeName?:string zone?:string hints:any
EndpointConditions: ready?:bool serving?:bool terminating?:bool
EndpointPort: name?:string protocol?:string port?:int32 appProtocol?:string
PodDisruptionBudget: spec!:BudgetSpec status!:BudgetStatus
BudgetSpec: minAvailable?:intstr selector?:#LabelSelector maxUnavailable?:intstr unhealthyPodEvictionPolicy?:string
BudgetStatus: observedGeneration:int64 disruptedPods:{time} disruptionsAllowed!:int32 currentHealthy!:int32
  desiredHealthy!:int32 expectedPods!:int32 conditions:[Condition|type]
NetworkPolicy: spec:NetworkPolicySpec
NetworkPolicySpec: podSelector?:#LabelSelector ingress:[any] egress:[any] policyTypes:[string]
Autoscaler: spec!:any status!:any
PriorityClass: value!:int32 globalDefault:bool description:string preemptionPolicy?:string
FlowSchema: spec:any status:any
AdmissionPolicy: spec:any status:any
"""

_ACCESS: Final = """
Role: rules!:[PolicyRule]
ClusterRole: rules!:[PolicyRule] aggregationRule:any
PolicyRule: verbs!:[string] apiGroups:[string] resources:[string] resourceNames:[string] nonResourceURLs:[string]
RoleBinding: subjects:[Subject] roleRef!:#RoleRef
Subject: kind!:string apiGroup:string name!:string namespace:string
RoleRef: apiGroup!:string kind!:string name!:string
SubjectAccessReview: spec!:AccessSpec status!:AccessStatus
AccessSpec: resourceAttributes?:ResourceAttributes nonResourceAttributes?:PathAttributes user:string groups:[string]
  extra:any uid:string
SelfAccessReview: spec!:SelfAccessSpec status!:AccessStatus
SelfAccessSpec: resourceAttributes?:ResourceAttributes nonResourceAttributes?:PathAttributes
ResourceAttributes: namespace:string verb:string group:string version:string resource:string subresource:string
  name:string fieldSelector:any labelSelector:any
PathAttributes: path:string verb:string
AccessStatus: allowed!:bool denied:bool reason:string evaluationError:string
RulesReview: spec!:RulesSpec status!:RulesStatus
RulesSpec: namespace:string
RulesStatus: resourceRules!:[PolicyRule] nonResourceRules!:[PolicyRule] incomplete!:bool evaluationError:string
TokenReview: spec!:TokenReviewSpec status!:TokenReviewStatus
TokenReviewSpec: token:string audiences:[string]
TokenReviewStatus: authenticated:bool user!:UserInfo audiences:[string] error:string
UserInfo: username:string uid:string groups:[string] extra:{any}
SelfSubjectReview: status!:SelfStatus
SelfStatus: userInfo:UserInfo
TokenRequest: spec!:TokenRequestSpec status!:TokenRequestStatus
TokenRequestSpec: audiences!:[string] expirationSeconds?:int64 boundObjectRef:any
TokenRequestStatus: token!:string expirationTimestamp!:time
Eviction: deleteOptions:DeleteOptions
Binding: target!:ObjectReference
"""

_DEFINITIONS: Final = """
CustomResourceDefinition: spec!:DefinitionSpec status!:DefinitionStatus
DefinitionSpec: group!:string names!:DefinitionNames scope!:string versions!:[DefinitionVersion] conversion:Conversion
  preserveUnknownFields:bool
DefinitionNames: plural!:string singular:string shortNames:[string] kind!:string listKind:string categories:[string]
DefinitionVersion: name!:string served!:bool storage!:bool deprecated:bool deprecationWarning?:string
  schema:DefinitionSchema subresources:Subresources additionalPrinterColumns:[PrinterColumn]
  selectableFields:[SelectableField]
DefinitionSchema: openAPIV3Schema:any
Subresources: status?:StatusSubresource scale?:ScaleSubresource
StatusSubresource: ...
ScaleSubresource: specReplicasPath!:string statusReplicasPath!:string labelSelectorPath?:string
PrinterColumn: name!:string type!:string format:string description:string priority:int32 jsonPath!:string
SelectableField: jsonPath!:string
Conversion: strategy!:string webhook:any
DefinitionStatus: conditions!:[DefinitionCondition|type] acceptedNames!:DefinitionNames storedVersions!:[string]
  observedGeneration:int64
DefinitionCondition: type!:string status!:string lastTransitionTime!:time reason:string message:string
  observedGeneration:int64
"""

NOTATION: Final = _META + _POD + _CORE + _APPS + _ACCESS + _DEFINITIONS
