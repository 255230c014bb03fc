//! A cluster of any size: what an extender is told of it, and what kube-scheduler asks about it.
//!
//! Objects have the size and the order of keys that the API server gives them, since both decide
//! what a request costs. Nothing is drawn at random: one number, one request.

#![allow(dead_code, reason = "each program uses a part of it")]

use std::fmt::Write;

use carbon_kube_core::Time;

/// Region and grid zone (as the table of regions has it), intensity and threshold in g/kWh. The
/// third zone is over its threshold.
pub const ZONES: [(&str, &str, u32, u32); 4] = [
    ("eu-north-1", "SE-SE3", 30, 100),
    ("eu-west-1", "IE", 280, 300),
    ("us-east-1", "US-MIDA-PJM", 420, 350),
    ("ap-south-1", "IN-WE", 640, 700),
];

/// Type, cores and allocatable CPU of the machines; each zone has both.
const MACHINES: [(&str, u32, &str); 2] = [("m5.xlarge", 4, "3920m"), ("m5.4xlarge", 16, "15890m")];

/// How nodes are offered (`nodeCacheCapable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Their names.
    Names,
    /// Whole objects, some 2.4 KB each.
    Full,
}

impl Form {
    /// As the command line has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Full => "full",
        }
    }
}

/// The name of a node.
pub fn name(node: usize) -> String {
    format!("ip-10-{}-{}-{}.compute.internal", node >> 12, (node >> 6) & 63, node & 63)
}

/// A whole node as the API server has it, managed fields included.
pub fn node(node: usize, created: Time) -> String {
    let name = name(node);
    let (region, ..) = ZONES[node % ZONES.len()];
    let (machine, cores, allocatable) = MACHINES[node / ZONES.len() % MACHINES.len()];
    let memory = cores * 4;
    let mut text = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"{version}","creationTimestamp":"{created}","labels":{{"beta.kubernetes.io/arch":"amd64","kubernetes.io/arch":"amd64","kubernetes.io/hostname":"{name}","kubernetes.io/os":"linux","node.kubernetes.io/instance-type":"{machine}","topology.kubernetes.io/region":"{region}","topology.kubernetes.io/zone":"{region}a"}},"annotations":{{"node.alpha.kubernetes.io/ttl":"30","volumes.kubernetes.io/controller-managed-attach-detach":"true"}},"managedFields":[{{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"{created}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:annotations":{{".":{{}},"f:volumes.kubernetes.io/controller-managed-attach-detach":{{}}}},"f:labels":{{".":{{}},"f:beta.kubernetes.io/arch":{{}},"f:kubernetes.io/arch":{{}},"f:kubernetes.io/hostname":{{}},"f:kubernetes.io/os":{{}},"f:node.kubernetes.io/instance-type":{{}},"f:topology.kubernetes.io/region":{{}},"f:topology.kubernetes.io/zone":{{}}}}}},"f:spec":{{"f:providerID":{{}}}}}}}}]}},"spec":{{"podCIDR":"10.244.{block}.0/24","providerID":"cloud:///{region}a/i-{node:017x}"}},"status":{{"capacity":{{"cpu":"{cores}","ephemeral-storage":"100Gi","memory":"{memory}Gi","pods":"110"}},"allocatable":{{"cpu":"{allocatable}","ephemeral-storage":"90Gi","memory":"{memory}Gi","pods":"110"}},"conditions":["#,
        uid = uid(node as u64),
        version = 1_000 + node,
        block = node & 255,
    );
    for (kind, status, reason, message) in [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PIDs"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ] {
        let _ = write!(
            text,
            r#"{{"type":"{kind}","status":"{status}","lastHeartbeatTime":"{created}","lastTransitionTime":"{created}","reason":"{reason}","message":"{message}"}},"#
        );
    }
    text.pop();
    let _ = write!(
        text,
        r#"],"addresses":[{{"type":"InternalIP","address":"10.{}.{}.{}"}},{{"type":"Hostname","address":"{name}"}}],"daemonEndpoints":{{"kubeletEndpoint":{{"Port":10250}}}},"nodeInfo":{{"machineID":"{node:032x}","systemUUID":"{}","bootID":"{}","kernelVersion":"6.12.0","osImage":"Linux","containerRuntimeVersion":"containerd://2.1.0","kubeletVersion":"v1.35.0","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"}}}}}}"#,
        node >> 12,
        (node >> 6) & 63,
        node & 63,
        uid(node as u64),
        uid(node as u64),
    );
    text
}

fn uid(number: u64) -> String {
    format!("{:08x}-5eed-4000-8000-{number:012x}", number & 0xffff_ffff)
}

/// A pending pod that opted in and may wait six hours.
pub fn pod(number: u64, created: Time) -> String {
    format!(
        r#"{{"metadata":{{"name":"batch-{number}","generateName":"batch-","namespace":"team-a","uid":"{uid}","resourceVersion":"51173","generation":1,"creationTimestamp":"{created}","labels":{{"app":"batch","batch.kubernetes.io/controller-uid":"{uid}","batch.kubernetes.io/job-name":"batch"}},"annotations":{{"carbon-kube.io/expected-duration":"45m","carbon-kube.io/max-delay":"6h","carbon-kube.io/mode":"enforce","example.com/owner":"team-a"}},"ownerReferences":[{{"apiVersion":"batch/v1","kind":"Job","name":"batch","uid":"{uid}","controller":true,"blockOwnerDeletion":true}}]}},"spec":{{"volumes":[{{"name":"kube-api-access-x7k2p","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}},{{"downwardAPI":{{"items":[{{"path":"namespace","fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.namespace"}}}}]}}}}],"defaultMode":420}}}}],"containers":[{{"name":"work","image":"registry.example.com/work:1","args":["--in","/data/in","--out","/data/out"],"env":[{{"name":"WORKERS","value":"2"}}],"resources":{{"limits":{{"memory":"2Gi"}},"requests":{{"cpu":"1500m","memory":"2Gi"}}}},"volumeMounts":[{{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}],"restartPolicy":"Never","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","securityContext":{{}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"status":{{"phase":"Pending","qosClass":"Burstable"}}}}"#,
        uid = uid(number),
    )
}

/// Requests about the same nodes, in the rotating order in which kube-scheduler offers them.
pub struct Requests {
    form: Form,
    created: Time,
    /// The nodes one after the other, and where each begins.
    nodes: String,
    begins: Vec<usize>,
}

impl Requests {
    /// Requests that offer so many nodes; pods and nodes were created at `created`.
    pub fn new(nodes: usize, form: Form, created: Time) -> Self {
        let mut requests = Self { form, created, nodes: String::new(), begins: Vec::new() };
        for i in 0..nodes {
            requests.begins.push(requests.nodes.len());
            match form {
                Form::Names => {
                    let _ = write!(requests.nodes, "\"{}\",", name(i));
                }
                Form::Full => {
                    requests.nodes.push_str(&node(i, created));
                    requests.nodes.push(',');
                }
            }
        }
        requests
    }

    /// How many nodes are offered.
    pub fn offered(&self) -> usize {
        self.begins.len()
    }

    /// Writes the body of a request: the pod of that number, and the nodes from another one on.
    pub fn body(&self, pod_number: u64, into: &mut Vec<u8>) {
        let first = (pod_number as usize).wrapping_mul(421) % self.begins.len().max(1);
        let (before, after) = self.nodes.split_at(self.begins.get(first).copied().unwrap_or(0));
        let pod = pod(pod_number, self.created);
        into.extend_from_slice(format!("{{\"Pod\":{pod},").as_bytes());
        let (head, tail) = match self.form {
            Form::Names => ("\"Nodes\":null,\"NodeNames\":[", "]}"),
            Form::Full => ("\"Nodes\":{\"metadata\":{},\"items\":[", "]},\"NodeNames\":null}"),
        };
        into.extend_from_slice(head.as_bytes());
        into.extend_from_slice(after.as_bytes());
        into.extend_from_slice(before.as_bytes());
        if !self.nodes.is_empty() {
            into.pop();
        }
        into.extend_from_slice(tail.as_bytes());
    }
}

/// The files that an extender reads with `source: {folder: DIR}`, by name.
pub fn state(nodes: usize, rule: &str, now: Time) -> Vec<(&'static str, String)> {
    let created: Vec<String> = (0..nodes).map(|i| node(i, now)).collect();
    let intensity = |value: u32, _: u32| {
        format!(
            r#"{{"value":{value},"unit":"g/kWh","signal":"average","factorSet":"local","observedAt":"{now}","fetchedAt":"{now}","source":"load","isEstimated":false,"confidence":1}}"#
        )
    };
    let threshold = |_: u32, value: u32| {
        format!(
            r#"{{"value":{value},"base":{value},"adjustment":0,"decidedAt":"{now}","mode":"enforce","policy":"load","policySha256":"","reason":"load"}}"#
        )
    };
    vec![
        ("nodes.json", format!(r#"{{"items":[{}]}}"#, created.join(","))),
        ("namespaces.json", r#"{"items":[{"metadata":{"name":"team-a"}}]}"#.to_owned()),
        ("intensity.json", document(intensity)),
        ("threshold.json", document(threshold)),
        ("policy.yaml", format!("version: 1\nname: load\nkind: {rule}\n")),
    ]
}

fn document(entry: impl Fn(u32, u32) -> String) -> String {
    let zones = ZONES
        .map(|(_, zone, value, threshold)| format!("\"{zone}\":{}", entry(value, threshold)))
        .join(",");
    format!(r#"{{"version":1,"zones":{{{zones}}}}}"#)
}
