"""What is refused and what is not: each case is a change of a good object, and of a refusal the field and the words."""

from __future__ import annotations

from typing import Any, Final

import attrs

from tests.manifests.objects import module, service, strategy


@attrs.frozen
class Refused:
    """A spec that can't be right: the field the server names and a part of what it says."""

    about: str
    spec: dict[str, Any]
    field: str
    says: str


@attrs.frozen
class Accepted:
    """A spec that is right."""

    about: str
    spec: dict[str, Any]


@attrs.frozen
class Change:
    """A change of a spec that is there; `field` and `says` are empty where it is allowed."""

    about: str
    before: dict[str, Any]
    change: dict[str, Any]
    field: str = ""
    says: str = ""


_POLICY: Final = "spec.operationStrategy.upgradePolicy"
_LIMIT: Final = "spec.maxUnavailable"
_OLD_LIMIT: Final = "spec.operationStrategy.maxUnavailable"
_MODULE: Final = "spec.template.spec.module"
_SERVICE: Final = "spec.operationStrategy.serviceStrategy"
_PERCENTAGE: Final = "must be a number of replicas from 0 or a percentage from 0% to 100%, such as 2 or 25%"
_LABEL_VALUE: Final = (
    "must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)
_DNS_LABEL: Final = "must be a DNS label of at most 55 characters with enableModuleService"
_ABOVE_ZERO: Final = "must be above 0 with upgradePolicy uninstall_then_install"
_ABSOLUTE_URL: Final = "must be an absolute URL, such as https://repo.example.com/orders-1.0.0-ark-biz.jar"
_TARGET_PORT: Final = "must be a port number from 1 to 65535 or the name of a container port"

TEMPLATES_REFUSED: Final = [
    Refused("no base Deployment", {"baseDeploymentName": None}, "spec.baseDeploymentName", "Required value"),
    Refused("an empty base Deployment", {"baseDeploymentName": ""}, "spec.baseDeploymentName", "at least 1 chars"),
    Refused("no template", {"template": None}, "spec.template", "Required value"),
    Refused("a template without a module", {"template": {"spec": {"module": None}}}, _MODULE, "Required value"),
    Refused("a module without a name", module(name=None), f"{_MODULE}.name", "Required value"),
    Refused("a module without a version", module(version=None), f"{_MODULE}.version", "Required value"),
    Refused("a module without a url", module(url=None), f"{_MODULE}.url", "Required value"),
    Refused("a name that begins with a dash", module(name="-orders"), f"{_MODULE}.name", _LABEL_VALUE),
    Refused("a name with a blank", module(name="my orders"), f"{_MODULE}.name", _LABEL_VALUE),
    Refused("a name of 64 characters", module(name="o" * 64), f"{_MODULE}.name", "may not be more than 63"),
    Refused("a version with a plus", module(version="1.0.0+build"), f"{_MODULE}.version", _LABEL_VALUE),
    Refused("a version that ends with a dot", module(version="1."), f"{_MODULE}.version", _LABEL_VALUE),
    Refused("a url that is a file's name", module(url="orders.jar"), f"{_MODULE}.url", _ABSOLUTE_URL),
    Refused("a url that is a path", module(url="/modules/orders.jar"), f"{_MODULE}.url", _ABSOLUTE_URL),
    Refused(
        "a url of 2049 characters", module(url=f"https://h/{'x' * 2039}"), f"{_MODULE}.url", "may not be more than 2048"
    ),
    Refused("replicas of -2", {"replicas": -2}, "spec.replicas", "greater than or equal to -1"),
    Refused("replicas that are a text", {"replicas": "3"}, "spec.replicas", 'must be of type integer: "string"'),
    Refused(
        "a negative minReadySeconds", {"minReadySeconds": -1}, "spec.minReadySeconds", "greater than or equal to 0"
    ),
    Refused(
        "a label value with a blank",
        {"template": {"metadata": {"labels": {"team": "two words"}}}},
        "spec.template.metadata.labels[team]",
        "must be empty or a label value",
    ),
    *[
        Refused(
            f"{where} with the key {key!r}",
            {"template": {"metadata": {where: {key: "x"}}}},
            f"spec.template.metadata.{where}",
            "keys must be like team or example.com/team",
        )
        for where in ("labels", "annotations")
        for key in ("two words", "/team", "example.com/", "a/b/c", "k" * 64)
    ],
    Refused(
        "a scheduling policy nobody knows",
        {"schedulingStrategy": {"schedulingPolicy": "random"}},
        "spec.schedulingStrategy.schedulingPolicy",
        'supported values: "scatter", "stacking"',
    ),
]

DEPLOYMENTS_REFUSED: Final = [
    *TEMPLATES_REFUSED,
    Refused(
        "peer mode with scaling up first",
        {"replicas": -1} | strategy(upgradePolicy="scaleup_then_scaledown"),
        _POLICY,
        "must be install_then_uninstall or uninstall_then_install in peer mode (replicas -1)",
    ),
    Refused(
        "peer mode with scaling up first, in the older spelling",
        {"replicas": -1} | strategy(upgradePolicy="scaleUpThenScaleDown"),
        _POLICY,
        "must be install_then_uninstall or uninstall_then_install in peer mode (replicas -1)",
    ),
    Refused(
        "peer mode scaled",
        {"replicas": -1, "scaledReplicas": 3},
        "spec.scaledReplicas",
        "can't be set in peer mode (replicas -1)",
    ),
    Refused("an upgrade policy nobody knows", strategy(upgradePolicy="rolling"), _POLICY, "supported values"),
    Refused(
        "a beta without batches", strategy(useBeta=True), "spec.operationStrategy.useBeta", "a batchCount of at least 2"
    ),
    Refused(
        "a beta of one batch",
        strategy(useBeta=True, batchCount=1),
        "spec.operationStrategy.useBeta",
        "a batchCount of at least 2",
    ),
    Refused("no batch", strategy(batchCount=0), "spec.operationStrategy.batchCount", "greater than or equal to 1"),
    Refused(
        "1001 batches", strategy(batchCount=1001), "spec.operationStrategy.batchCount", "less than or equal to 1000"
    ),
    Refused(
        "two gray times",
        strategy(grayTime=1, grayTimeBetweenBatchSeconds=2),
        "spec.operationStrategy.grayTimeBetweenBatchSeconds",
        "must equal grayTime",
    ),
    Refused(
        "a negative gray time", strategy(grayTime=-1), "spec.operationStrategy.grayTime", "greater than or equal to 0"
    ),
    Refused(
        "two limits", {"maxUnavailable": 1} | strategy(maxUnavailable=2), _OLD_LIMIT, "must equal spec.maxUnavailable"
    ),
    Refused(
        "a number and a percentage as limits",
        {"maxUnavailable": 1} | strategy(maxUnavailable="1%"),
        _OLD_LIMIT,
        "must equal spec.maxUnavailable",
    ),
    *[
        Refused(f"a limit of {limit!r}", {"maxUnavailable": limit}, _LIMIT, _PERCENTAGE)
        for limit in (-1, "101%", "half", "12.5%", "05%", "3", "", "25 %", "-5%")
    ],
    Refused("a limit of 101% in the older place", strategy(maxUnavailable="101%"), _OLD_LIMIT, _PERCENTAGE),
    *[
        Refused(
            f"{policy} with a limit of {limit!r}",
            {"maxUnavailable": limit} | strategy(upgradePolicy=policy),
            _LIMIT,
            _ABOVE_ZERO,
        )
        for policy in ("uninstall_then_install", "uninstallThenInstall")
        for limit in (0, "0%")
    ],
    *[
        Refused(
            f"uninstall_then_install with a limit of {limit!r} in the older place",
            strategy(upgradePolicy="uninstall_then_install", maxUnavailable=limit),
            _OLD_LIMIT,
            _ABOVE_ZERO,
        )
        for limit in (0, "0%")
    ],
    Refused("no progress deadline", {"progressDeadlineSeconds": 0}, "spec.progressDeadlineSeconds", "equal to 1"),
    Refused(
        "a deadline that minReadySeconds can't meet",
        {"progressDeadlineSeconds": 60, "minReadySeconds": 60},
        "spec.progressDeadlineSeconds",
        "must be greater than minReadySeconds",
    ),
    Refused(
        "the default deadline below minReadySeconds",
        {"minReadySeconds": 601},
        "spec.progressDeadlineSeconds",
        "must be greater than minReadySeconds",
    ),
    Refused(
        "a negative history", {"revisionHistoryLimit": -1}, "spec.revisionHistoryLimit", "greater than or equal to 0"
    ),
    Refused("a negative confirmation", {"confirmBatchNum": -1}, "spec.confirmBatchNum", "greater than or equal to 0"),
    Refused("a negative drain", strategy(drainSeconds=-1), "spec.operationStrategy.drainSeconds", "equal to 0"),
    Refused(
        "a negative threshold", strategy(failureThreshold=-1), "spec.operationStrategy.failureThreshold", "equal to 0"
    ),
    Refused(
        "a reaction nobody knows",
        strategy(onFailure="retry"),
        "spec.operationStrategy.onFailure",
        'supported values: "pause", "abort", "rollback"',
    ),
    Refused("a Service of an upper-case module", service("Orders"), f"{_MODULE}.name", _DNS_LABEL),
    Refused("a Service of a module with a dot", service("orders.v2"), f"{_MODULE}.name", _DNS_LABEL),
    Refused("a Service of a module that begins with a digit", service("2orders"), f"{_MODULE}.name", _DNS_LABEL),
    Refused("a Service of a module of 56 characters", service("o" * 56), f"{_MODULE}.name", _DNS_LABEL),
    Refused("a Service without a port", service(port=None), f"{_SERVICE}.port", "must be set with enableModuleService"),
    Refused("a Service on port 0", service(port=0), f"{_SERVICE}.port", "greater than or equal to 1"),
    Refused("a Service on port 65536", service(port=65536), f"{_SERVICE}.port", "less than or equal to 65535"),
    *[
        Refused(f"a target port of {port!r}", service(targetPort=port), f"{_SERVICE}.targetPort", _TARGET_PORT)
        for port in (0, 65536, "8080", "Http", "-http", "")
    ],
]

DEPLOYMENTS_ACCEPTED: Final = [
    Accepted("the least there can be", {"replicas": None}),
    Accepted("no replicas", {"replicas": 0}),
    Accepted("peer mode", {"replicas": -1}),
    Accepted(
        "peer mode with uninstall_then_install", {"replicas": -1} | strategy(upgradePolicy="uninstall_then_install")
    ),
    Accepted("a beta and one more batch", strategy(useBeta=True, batchCount=2)),
    Accepted("1000 batches", strategy(batchCount=1000)),
    Accepted("no beta in one batch", strategy(useBeta=False, batchCount=1)),
    Accepted("the gray time of older manifests", strategy(grayTimeBetweenBatchSeconds=120)),
    Accepted("both gray times alike", strategy(grayTime=120, grayTimeBetweenBatchSeconds=120)),
    Accepted("the limit of older manifests", strategy(maxUnavailable=1)),
    Accepted("both limits alike", {"maxUnavailable": "50%"} | strategy(maxUnavailable="50%")),
    *[
        Accepted(f"a limit of {limit!r}", {"maxUnavailable": limit})
        for limit in (0, "0%", "1%", "9%", "25%", "100%", 2147483647)
    ],
    Accepted(
        "uninstall_then_install with a limit of 1%",
        {"maxUnavailable": "1%"} | strategy(upgradePolicy="uninstall_then_install"),
    ),
    *[
        Accepted(f"policy {policy}", strategy(upgradePolicy=policy))
        for policy in (
            *("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown"),
            *("installThenUninstall", "uninstallThenInstall", "scaleUpThenScaleDown"),
        )
    ],
    *[
        Accepted(f"policy {policy}", {"schedulingStrategy": {"schedulingPolicy": policy}})
        for policy in ("scatter", "stacking", "Scatter", "Stacking")
    ],
    *[Accepted(f"onFailure {reaction}", strategy(onFailure=reaction)) for reaction in ("pause", "abort", "rollback")],
    *[
        Accepted(f"url {url}", module(url=url))
        for url in ("http://h:80/x?y=1", "file:///modules/a.jar", "oss://bucket/a.jar", "https://h/a@1.0.jar")
    ],
    Accepted("a snapshot's version", module(version="0.0.1-SNAPSHOT")),
    Accepted("an upper-case module without a Service", module(name="Orders_v2.x")),
    Accepted("a Service of a module of 55 characters", service("o" * 55)),
    Accepted("a Service that leads to a number", service(targetPort=9090)),
    Accepted("a Service that leads to a name", service(targetPort="http-2")),
    Accepted(
        "a Service not asked for", strategy(serviceStrategy={"enableModuleService": False}) | module(name="Orders")
    ),
    Accepted(
        "labels and annotations", {"template": {"metadata": {"labels": {"a": ""}, "annotations": {"b/c": "d e"}}}}
    ),
    Accepted("md5 and type", module(md5="d41d8cd98f00b204e9800998ecf8427e", type="ark-biz")),
    Accepted(
        "everything at once",
        {
            "replicas": 10,
            "pause": False,
            "maxUnavailable": 2,
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 60,
            "revisionHistoryLimit": 0,
            "confirmBatchNum": 0,
            "operationStrategy": {
                "batchCount": 4,
                "useBeta": True,
                "needConfirm": True,
                "grayTime": 30,
                "upgradePolicy": "uninstall_then_install",
                "serviceStrategy": {"enableModuleService": True, "port": 80, "targetPort": 8080},
                "drainSeconds": 10,
                "onFailure": "rollback",
                "failureThreshold": 1,
                "batchScaling": True,
            },
            "schedulingStrategy": {"schedulingPolicy": "stacking"},
        },
    ),
]

# The forms in which module-controller v1 has published ModuleDeployments: its samples and its documentation.
PUBLISHED: Final = [
    Accepted(
        f"{policy}, {replicas} replicas in {batches} batches",
        {"replicas": replicas, "schedulingStrategy": {"schedulingPolicy": "scatter"}}
        | strategy(
            needConfirm=batches > 1,
            grayTimeBetweenBatchSeconds=120,
            useBeta=False,
            batchCount=batches,
            upgradePolicy=policy,
        ),
    )
    for policy, replicas, batches in (
        ("install_then_uninstall", 3, 3),
        ("install_then_uninstall", 0, 3),
        ("install_then_uninstall", -1, 3),
        ("install_then_uninstall", 1, 1),
        ("uninstall_then_install", 1, 1),
        ("scaleup_then_scaledown", 2, 2),
        ("scaleup_then_scaledown", 0, 2),
    )
] + [
    Accepted(
        "the spellings of the documentation",
        {"replicas": 2, "schedulingStrategy": {"schedulingPolicy": "Scatter"}}
        | strategy(upgradePolicy="installThenUninstall", needConfirm=True, useBeta=False, batchCount=2),
    ),
    Accepted(
        "a confirmation by number",
        {"replicas": 3, "confirmBatchNum": 1} | strategy(needConfirm=True, grayTimeBetweenBatchSeconds=0, batchCount=3),
    ),
    Accepted(
        "a Service",
        {"schedulingStrategy": {"schedulingPolicy": "scatter"}}
        | strategy(serviceStrategy={"enableModuleService": True, "port": 8080, "targetPort": 8080}, batchCount=1),
    ),
]

DEPLOYMENT_CHANGES: Final = [
    Change(
        "another base Deployment",
        {},
        {"baseDeploymentName": "other"},
        "spec.baseDeploymentName",
        "can't be changed; make a new ModuleDeployment for another base Deployment",
    ),
    Change("into peer mode", {"replicas": 3}, {"replicas": -1}, "spec.replicas", "can't change between -1 (peer mode"),
    Change(
        "out of peer mode", {"replicas": -1}, {"replicas": 3}, "spec.replicas", "can't change between -1 (peer mode"
    ),
    Change("to none out of peer mode", {"replicas": -1}, {"replicas": 0}, "spec.replicas", "can't change between -1"),
    Change("peer mode left out", {"replicas": -1}, {"replicas": None}, "spec.replicas", "can't change between -1"),
    Change("more replicas", {"replicas": 3}, {"replicas": 12}),
    Change(
        "other replicas of a scaled one", {"scaledReplicas": 4}, {"replicas": 5}, "spec.replicas", "has no effect while"
    ),
    Change("the replicas it is scaled to", {"scaledReplicas": 4}, {"replicas": 4}),
    Change("other replicas, scaled no more", {"scaledReplicas": 4}, {"replicas": 5, "scaledReplicas": None}),
    Change("other replicas, scaled alike", {"scaledReplicas": 4}, {"replicas": 5, "scaledReplicas": 5}),
    Change("no replicas", {"replicas": 3}, {"replicas": 0}),
    Change("some replicas again", {"replicas": 0}, {"replicas": 3}),
    Change("another version", {}, module(version="2.0.0")),
    Change("another module", {}, module(name="audit")),
    Change("a pause", {}, {"pause": True}),
    Change("the end of a pause", {"pause": True}, {"pause": False}),
    Change("a pause left out", {"pause": True}, {"pause": None}),
    Change("a smaller confirmation", {"confirmBatchNum": 3}, {"confirmBatchNum": 1}),
    Change("peer mode with another policy", {"replicas": -1}, strategy(upgradePolicy="uninstall_then_install")),
]

_ONE_VERSION: Final = "can't be changed: its Modules would not follow; change the ModuleDeployment, or make a new"
REPLICA_SET_CHANGES: Final = [
    Change(
        "another base Deployment",
        {},
        {"baseDeploymentName": "other"},
        "spec.baseDeploymentName",
        "can't be changed; make a new ModuleReplicaSet for another base Deployment",
    ),
    Change("another version", {}, module(version="2.0.0"), "spec.template", _ONE_VERSION),
    Change("an annotation", {}, {"template": {"metadata": {"annotations": {"a": "b"}}}}, "spec.template", _ONE_VERSION),
    Change("more replicas", {"replicas": 3}, {"replicas": 12}),
    Change("from peer mode to none", {"replicas": -1}, {"replicas": 0}),
]

_FIXED: Final = "can't be changed; delete the Module to have it replaced, or change the ModuleDeployment"
MODULE_CHANGES: Final = [
    Change("another version", {}, {"module": {"version": "2.0.0"}}, "spec", _FIXED),
    Change("another base", {}, {"base": {"uid": "99999999-2222-3333-4444-555555555555"}}, "spec", _FIXED),
    Change("an md5", {}, {"module": {"md5": "1"}}, "spec", _FIXED),
]
