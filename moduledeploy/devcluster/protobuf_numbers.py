"""Field numbers of the built-in kinds' protobuf messages, by the names of `moduledeploy.devcluster.builtin_types`.

The numbers are part of the published Kubernetes v1 API and never change.
"""

from __future__ import annotations

from typing import Final

NUMBERS: Final = """
AccessSpec: resourceAttributes=1 nonResourceAttributes=2 user=3 groups=4 extra=5 uid=6
AccessStatus: allowed=1 reason=2 evaluationError=3 denied=4
Binding: target=2
BudgetSpec: minAvailable=1 selector=2 maxUnavailable=3 unhealthyPodEvictionPolicy=4
BudgetStatus: observedGeneration=1 disruptedPods=2 disruptionsAllowed=3 currentHealthy=4 desiredHealthy=5
  expectedPods=6 conditions=7
ClusterRole: rules=2 aggregationRule=3
Condition: type=1 status=2 observedGeneration=3 lastTransitionTime=4 reason=5 message=6
ConfigMap: data=2 binaryData=3 immutable=4
Container: name=1 image=2 command=3 args=4 workingDir=5 ports=6 env=7 resources=8 volumeMounts=9 livenessProbe=10
  readinessProbe=11 lifecycle=12 terminationMessagePath=13 imagePullPolicy=14 securityContext=15 stdin=16
  stdinOnce=17 tty=18 envFrom=19 terminationMessagePolicy=20 volumeDevices=21 startupProbe=22 resizePolicy=23
  restartPolicy=24 restartPolicyRules=25
ContainerPort: name=1 hostPort=2 containerPort=3 protocol=4 hostIP=5
ContainerState: waiting=1 running=2 terminated=3
ContainerStatus: name=1 state=2 lastState=3 ready=4 restartCount=5 image=6 imageID=7 containerID=8 started=9
  allocatedResources=10 resources=11 volumeMounts=12 user=13
DaemonEndpoint: Port=1
DaemonEndpoints: kubeletEndpoint=1
DeleteOptions: gracePeriodSeconds=1 preconditions=2 orphanDependents=3 propagationPolicy=4 dryRun=5
Deployment: spec=2 status=3
DeploymentCondition: type=1 status=2 reason=4 message=5 lastUpdateTime=6 lastTransitionTime=7
DeploymentSpec: replicas=1 selector=2 template=3 strategy=4 minReadySeconds=5 revisionHistoryLimit=6 paused=7
  progressDeadlineSeconds=9
DeploymentStatus: observedGeneration=1 replicas=2 updatedReplicas=3 availableReplicas=4 unavailableReplicas=5
  conditions=6 readyReplicas=7 collisionCount=8 terminatingReplicas=9
DeploymentStrategy: type=1 rollingUpdate=2
Endpoint: addresses=1 conditions=2 hostname=3 targetRef=4 deprecatedTopology=5 nodeName=6 zone=7 hints=8
EndpointConditions: ready=1 serving=2 terminating=3
EndpointPort: name=1 port=2 protocol=3 appProtocol=4
EndpointSlice: endpoints=2 ports=3 addressType=4
Endpoints: subsets=2
EnvVar: name=1 value=2 valueFrom=3
Event: involvedObject=2 reason=3 message=4 source=5 firstTimestamp=6 lastTimestamp=7 count=8 type=9 eventTime=10
  series=11 action=12 related=13 reportingComponent=14 reportingInstance=15
EventSource: component=1 host=2
Eviction: deleteOptions=2
HostAlias: ip=1 hostnames=2
HostIP: ip=1
HttpGet: path=1 port=2 host=3 scheme=4 httpHeaders=5
LabelSelector: matchLabels=1 matchExpressions=2
Lease: spec=2
LeaseSpec: holderIdentity=1 leaseDurationSeconds=2 acquireTime=3 renewTime=4 leaseTransitions=5 strategy=6
  preferredHolder=7
LoadBalancer: ingress=1
LocalObjectReference: name=1
MicroSeries: count=1 lastObservedTime=2
Namespace: spec=2 status=3
NamespaceSpec: finalizers=1
NamespaceStatus: phase=1 conditions=2
NetworkPolicy: spec=2
NetworkPolicySpec: podSelector=1 ingress=2 egress=3 policyTypes=4
NewEvent: eventTime=2 series=3 reportingController=4 reportingInstance=5 action=6 reason=7 regarding=8 related=9
  note=10 type=11 deprecatedSource=12 deprecatedFirstTimestamp=13 deprecatedLastTimestamp=14 deprecatedCount=15
Node: spec=2 status=3
NodeAddress: type=1 address=2
NodeCondition: type=1 status=2 lastHeartbeatTime=3 lastTransitionTime=4 reason=5 message=6
NodeInfo: machineID=1 systemUUID=2 bootID=3 kernelVersion=4 osImage=5 containerRuntimeVersion=6 kubeletVersion=7
  kubeProxyVersion=8 operatingSystem=9 architecture=10 swap=11
NodeSpec: podCIDR=1 providerID=3 unschedulable=4 taints=5 podCIDRs=7
NodeStatus: capacity=1 allocatable=2 phase=3 conditions=4 addresses=5 daemonEndpoints=6 nodeInfo=7 images=8
ObjectMeta: name=1 generateName=2 namespace=3 uid=5 resourceVersion=6 generation=7 creationTimestamp=8
  deletionTimestamp=9 deletionGracePeriodSeconds=10 labels=11 annotations=12 ownerReferences=13 finalizers=14
ObjectReference: kind=1 namespace=2 name=3 uid=4 apiVersion=5 resourceVersion=6 fieldPath=7
OwnerReference: kind=1 name=3 uid=4 apiVersion=5 controller=6 blockOwnerDeletion=7
PathAttributes: path=1 verb=2
Pod: spec=2 status=3
PodCondition: type=1 status=2 lastProbeTime=3 lastTransitionTime=4 reason=5 message=6 observedGeneration=7
PodDisruptionBudget: spec=2 status=3
PodIP: ip=1
PodSpec: volumes=1 containers=2 restartPolicy=3 terminationGracePeriodSeconds=4 activeDeadlineSeconds=5 dnsPolicy=6
  nodeSelector=7 serviceAccountName=8 serviceAccount=9 nodeName=10 hostNetwork=11 hostPID=12 hostIPC=13
  securityContext=14 imagePullSecrets=15 hostname=16 subdomain=17 affinity=18 schedulerName=19 initContainers=20
  automountServiceAccountToken=21 tolerations=22 hostAliases=23 priorityClassName=24 priority=25 dnsConfig=26
  shareProcessNamespace=27 readinessGates=28 runtimeClassName=29 enableServiceLinks=30 preemptionPolicy=31
  overhead=32 topologySpreadConstraints=33 ephemeralContainers=34 setHostnameAsFQDN=35 os=36 hostUsers=37
  schedulingGates=38 resourceClaims=39 resources=40 hostnameOverride=41
PodStatus: phase=1 conditions=2 message=3 reason=4 hostIP=5 podIP=6 startTime=7 containerStatuses=8 qosClass=9
  initContainerStatuses=10 nominatedNodeName=11 podIPs=12 ephemeralContainerStatuses=13 resize=14
  resourceClaimStatuses=15 hostIPs=16 observedGeneration=17
PodTemplate: metadata=1 spec=2
PolicyRule: verbs=1 apiGroups=2 resources=3 resourceNames=4 nonResourceURLs=5
Preconditions: uid=1 resourceVersion=2
PriorityClass: value=2 globalDefault=3 description=4 preemptionPolicy=5
Probe: initialDelaySeconds=2 timeoutSeconds=3 periodSeconds=4 successThreshold=5 failureThreshold=6
  terminationGracePeriodSeconds=7
ReadinessGate: conditionType=1
ReplicaSet: spec=2 status=3
ReplicaSetCondition: type=1 status=2 lastTransitionTime=3 reason=4 message=5
ReplicaSetSpec: replicas=1 selector=2 template=3 minReadySeconds=4
ReplicaSetStatus: replicas=1 fullyLabeledReplicas=2 observedGeneration=3 readyReplicas=4 availableReplicas=5
  conditions=6 terminatingReplicas=7
ResourceAttributes: namespace=1 verb=2 group=3 version=4 resource=5 subresource=6 name=7 fieldSelector=8
  labelSelector=9
ResourceClaim: name=1
Resources: limits=1 requests=2 claims=3
Role: rules=2
RoleBinding: subjects=2 roleRef=3
RoleRef: apiGroup=1 kind=2 name=3
RollingUpdate: maxUnavailable=1 maxSurge=2
RulesReview: spec=2 status=3
RulesSpec: namespace=1
Running: startedAt=1
Scale: spec=2 status=3
ScaleSpec: replicas=1
ScaleStatus: replicas=1 selector=2
SchedulingGate: name=1
Secret: data=2 type=3 stringData=4 immutable=5
SelectorRequirement: key=1 operator=2 values=3
SelfStatus: userInfo=1
SelfAccessReview: spec=2 status=3
SelfAccessSpec: resourceAttributes=1 nonResourceAttributes=2
SelfSubjectReview: status=2
Service: spec=2 status=3
ServiceAccount: secrets=2 imagePullSecrets=3 automountServiceAccountToken=4
ServicePort: name=1 protocol=2 port=3 targetPort=4 nodePort=5 appProtocol=6
ServiceSpec: ports=1 selector=2 clusterIP=3 type=4 externalIPs=5 sessionAffinity=7 loadBalancerIP=8
  loadBalancerSourceRanges=9 externalName=10 externalTrafficPolicy=11 healthCheckNodePort=12
  publishNotReadyAddresses=13 sessionAffinityConfig=14 ipFamilyPolicy=17 clusterIPs=18 ipFamilies=19
  allocateLoadBalancerNodePorts=20 loadBalancerClass=21 internalTrafficPolicy=22 trafficDistribution=23
ServiceStatus: loadBalancer=1 conditions=2
Subject: kind=1 apiGroup=2 name=3 namespace=4
SubjectAccessReview: spec=2 status=3
Taint: key=1 value=2 effect=3 timeAdded=4
TcpSocket: port=1 host=2
TemplateMeta: name=1 generateName=2 namespace=3 creationTimestamp=8 labels=11 annotations=12 finalizers=14
Terminated: exitCode=1 signal=2 reason=3 message=4 startedAt=5 finishedAt=6 containerID=7
TokenRequest: spec=2 status=3
TokenRequestSpec: audiences=1 boundObjectRef=3 expirationSeconds=4
TokenRequestStatus: token=1 expirationTimestamp=2
TokenReview: spec=2 status=3
TokenReviewSpec: token=1 audiences=2
TokenReviewStatus: authenticated=1 user=2 error=3 audiences=4
Toleration: key=1 operator=2 value=3 effect=4 tolerationSeconds=5
TopologySpread: maxSkew=1 topologyKey=2 whenUnsatisfiable=3
UserInfo: username=1 uid=2 groups=3 extra=4
Volume: name=1
VolumeDevice: name=1 devicePath=2
VolumeMount: name=1 readOnly=2 mountPath=3 subPath=4 mountPropagation=5 subPathExpr=6 recursiveReadOnly=7
Waiting: reason=1 message=2
"""
