//! The fixture itself: if these fail, no other end-to-end test means anything.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::kubelet::{Kubelet, PodHistory, RUNS_FOR};
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::pki::User;
use carbon_kube_e2e::process::{PortTaken, Process, Program, free_port, is_alive};
use carbon_kube_e2e::scheduler::{Configuration, Extender, TlsConfig};
use carbon_kube_e2e::tools::{self, Tool};
use carbon_kube_e2e::wait;
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// For what takes a second or two on an idle machine.
const SOON: Duration = Duration::from_secs(60);

/// Names the file into which a copy of this test binary writes the ids of its processes.
const VICTIM: &str = "CARBON_KUBE_E2E_VICTIM";

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_becomes_available_on_fake_nodes() {
    let name = "a_deployment_becomes_available_on_fake_nodes";
    if cluster::skips(name, &[Need::ControllerManager, Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let control_plane = cluster.start_took();
    let started = Instant::now();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let scheduler = started.elapsed();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(10)).await.unwrap();
    let nodes = started.elapsed();
    let _kubelet = Kubelet::start(client.clone());
    let api: Api<Deployment> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    available(&api, "web", 3).await;
    eprintln!(
        "control plane {control_plane:.1?}; then scheduler {scheduler:.1?}, 10 nodes {nodes:.1?}, \
         available {:.1?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_the_api_server_is_killed_and_restarted() {
    let name = "work_goes_on_after_the_api_server_is_killed_and_restarted";
    let needs = [Need::OwnApiServer, Need::ControllerManager, Need::OwnScheduler];
    if cluster::skips(name, &needs) {
        return;
    }
    let mut cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(2)).await.unwrap();
    let _kubelet = Kubelet::start(client.clone());
    let api: Api<Deployment> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &deployment("before", 1)).await.unwrap();
    available(&api, "before", 1).await;

    cluster.kill_api_server().unwrap();
    api.get("before").await.expect_err("nobody answers");
    let restarted = Instant::now();
    cluster.restart_api_server().await.unwrap();
    eprintln!("the API server was back after {:.1?}", restarted.elapsed());

    // The same client, controller manager, scheduler and kubelet as before.
    api.get("before").await.expect("etcd kept it");
    api.create(&PostParams::default(), &deployment("after", 1)).await.unwrap();
    available(&api, "after", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_api_server_answers_once_it_resumes() {
    let name = "a_paused_api_server_answers_once_it_resumes";
    if cluster::skips(name, &[Need::OwnApiServer]) {
        return;
    }
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    let client = cluster.client();
    cluster.api_server().unwrap().pause().unwrap();
    let version = client.apiserver_version();
    tokio::pin!(version);
    tokio::time::timeout(Duration::from_secs(1), &mut version).await.expect_err("it is paused");
    cluster.api_server().unwrap().resume().unwrap();
    version.await.expect("the request was waiting, not lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kubelet_runs_hundreds_of_pods_for_as_long_as_they_say() {
    let name = "the_kubelet_runs_hundreds_of_pods_for_as_long_as_they_say";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let client = cluster.client();
    let started = Instant::now();
    nodes::create(&client, &FakeNode::numbered(100)).await.unwrap();
    eprintln!("100 nodes in {:.1?}", started.elapsed());
    let kubelet = Kubelet::start(client.clone());
    let api: Api<Pod> = Api::default_namespaced(client);

    let started = Instant::now();
    let pods: Vec<Pod> = (0..400).map(|i| pod(&format!("batch-{i}"), Some("2s"))).collect();
    let params = PostParams::default();
    try_join_all(pods.iter().map(|pod| api.create(&params, pod))).await.unwrap();
    let created = started.elapsed();
    let finished = kubelet.finished(400, SOON, |_| true).await.unwrap();
    let last = |event: fn(&PodHistory) -> Instant| {
        finished.iter().map(|pod| event(pod) - started).max().unwrap()
    };
    eprintln!(
        "400 pods: created after {created:.1?}, bound {:.1?}, running {:.1?}, finished {:.1?}",
        last(|pod| pod.bound),
        last(|pod| pod.running.unwrap()),
        last(|pod| pod.finished.unwrap()),
    );
    for pod in finished {
        let (running, end) = (pod.running.unwrap(), pod.finished.unwrap());
        assert!(pod.bound <= running, "{pod:?}");
        assert!(end - running >= Duration::from_secs(2), "{pod:?}");
    }
    let succeeded = ListParams::default().fields("status.phase=Succeeded");
    assert_eq!(api.list(&succeeded).await.unwrap().items.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_end_as_they_would_on_a_real_node() {
    let name = "pods_end_as_they_would_on_a_real_node";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(1)).await.unwrap();
    let kubelet = Kubelet::start(client.clone());
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    for pod in [pod("service", None), pod("typo", Some("2 weeks"))] {
        api.create(&PostParams::default(), &pod).await.unwrap();
    }
    phase(&api, "service", "Running").await;
    phase(&api, "typo", "Failed").await;

    // The default grace period is 30 s; there is no process that needs it.
    let asked = Instant::now();
    api.delete("service", &DeleteParams::default()).await.unwrap();
    wait::until("the pod is gone", SOON, async || {
        Ok(api.get_opt("service").await?.is_none().then_some(()))
    })
    .await
    .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(15));
    wait::until("the kubelet knows", SOON, async || {
        Ok(kubelet.pod("default", "service").and_then(|pod| pod.deleted))
    })
    .await
    .unwrap();
    assert_eq!(kubelet.pod("default", "service").unwrap().finished, None);

    // A pod on a node that isn't fake has a kubelet of its own.
    let nodes: Api<Node> = Api::all(client);
    let real = object(json!({ "metadata": { "name": "real" } }));
    nodes.create(&PostParams::default(), &real).await.unwrap();
    let mut elsewhere = pod("elsewhere", None);
    elsewhere.spec.as_mut().unwrap().node_name = Some("real".to_owned());
    api.create(&PostParams::default(), &elsewhere).await.unwrap();
    api.create(&PostParams::default(), &pod("later", None)).await.unwrap();
    phase(&api, "later", "Running").await;
    phase(&api, "elsewhere", "Pending").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touched_node_wakes_a_pod_that_an_extender_refused() {
    let name = "a_touched_node_wakes_a_pod_that_an_extender_refused";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let extender = Refuser::start();
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    let configuration = Configuration {
        percentage_of_nodes_to_score: Some(100),
        extender: Some(Extender::recommended(&extender.url)),
        flags: Vec::new(),
    };
    cluster.start_scheduler(&configuration).await.unwrap();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(2)).await.unwrap();
    let _kubelet = Kubelet::start(client.clone());
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    api.create(&PostParams::default(), &pod("deferred", None)).await.unwrap();
    reason(&api, "deferred", "Unschedulable").await;

    // The extender changes its mind, and the scheduler can't know.
    extender.refuses.store(false, Ordering::SeqCst);
    let calls = extender.calls.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(extender.calls.load(Ordering::SeqCst), calls);

    let touched = Instant::now();
    nodes::touch(&client, "node-0000").await.unwrap();
    phase(&api, "deferred", "Running").await;
    eprintln!("running {:.1?} after the touch", touched.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_extender_stops_pods_unless_it_is_ignorable() {
    let name = "a_dead_extender_stops_pods_unless_it_is_ignorable";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(2)).await.unwrap();
    let _kubelet = Kubelet::start(client.clone());
    let api: Api<Pod> = Api::default_namespaced(client);
    // Every field is set: the scheduler refuses a file with a field that it doesn't know.
    let (_, authority) = cluster.server_certificate(&["127.0.0.1"]).unwrap();
    let mut extender = Extender {
        preempt_verb: Some("preempt".to_owned()),
        ignorable: false,
        enable_https: true,
        tls_config: Some(TlsConfig { ca_file: Some(authority), ..TlsConfig::default() }),
        ..Extender::recommended(format!("https://127.0.0.1:{}", free_port().unwrap()))
    };
    let with = |extender: &Extender| Configuration {
        extender: Some(extender.clone()),
        ..Configuration::default()
    };
    cluster.start_scheduler(&with(&extender)).await.unwrap();
    api.create(&PostParams::default(), &pod("hard", None)).await.unwrap();
    reason(&api, "hard", "SchedulerError").await;

    extender.ignorable = true;
    cluster.start_scheduler(&with(&extender)).await.unwrap();
    phase(&api, "hard", "Running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_reports_metrics_and_refuses_unknown_flags() {
    let name = "the_scheduler_reports_metrics_and_refuses_unknown_flags";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(without_controller_manager()).await.unwrap();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let metrics = cluster.scheduler_metrics().await.unwrap();
    assert!(metrics.contains("scheduler_pending_pods"), "{metrics}");

    let flags = vec!["--no-such-flag".to_owned()];
    let configuration = Configuration { flags, ..Configuration::default() };
    let error = cluster.start_scheduler(&configuration).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("kube-scheduler ended with exit status: 1"), "{error}");
    assert!(error.contains("no-such-flag"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_may_do_what_rbac_grants_and_no_more() {
    let cluster = Cluster::start(without_controller_manager()).await.unwrap();
    let admin = cluster.client();
    // In a cluster of somebody else, nothing is left behind.
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let namespace = object(json!({ "metadata": { "generateName": "carbon-kube-e2e-" } }));
    let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let namespace = namespace.metadata.name.unwrap();

    let user = User::service_account(&namespace, "extender");
    let client = cluster.client_of(&user).await.unwrap();
    let me = Api::<SelfSubjectReview>::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .unwrap();
    let me = me.status.unwrap().user_info.unwrap();
    assert_eq!(me.username, Some(user.name.clone()));
    let groups = me.groups.unwrap();
    assert!(user.groups.iter().all(|group| groups.contains(group)), "{groups:?}");

    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    let all = ListParams::default();
    assert_eq!(code(&config_maps.list(&all).await.unwrap_err()), 403);
    let role: Role = object(json!({
        "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    }));
    let binding: RoleBinding = object(json!({
        "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "extender", "namespace": namespace }],
    }));
    let roles = Api::namespaced(admin.clone(), &namespace);
    roles.create(&PostParams::default(), &role).await.unwrap();
    let bindings = Api::namespaced(admin, &namespace);
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    wait::until("the role is in force", SOON, async || Ok(Some(config_maps.list(&all).await?)))
        .await
        .unwrap();
    assert_eq!(code(&secrets.list(&all).await.unwrap_err()), 403);
    namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_cluster_ends_its_processes_and_removes_its_folder() {
    let name = "dropping_a_cluster_ends_its_processes_and_removes_its_folder";
    if cluster::skips(name, &[Need::OwnScheduler, Need::ControllerManager]) {
        return;
    }
    let mut cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let folder = cluster.folder().to_owned();
    let ids: Vec<u32> = cluster.processes().iter().map(|process| process.id()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| is_alive(*id)), "{ids:?}");
    drop(cluster);
    assert!(!ids.iter().any(|id| is_alive(*id)), "{ids:?}");
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_test_process_leaves_no_child_behind() {
    let name = "a_killed_test_process_leaves_no_child_behind";
    if cluster::skips(name, &[Need::OwnApiServer]) {
        return;
    }
    if let Some(file) = env::var_os(VICTIM) {
        // This is the copy that is going to be killed.
        let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
        let ids: Vec<String> = cluster.processes().iter().map(|it| it.id().to_string()).collect();
        let lines = [cluster.folder().display().to_string(), ids.join(" ")];
        let part = Path::new(&file).with_extension("part");
        fs::write(&part, lines.join("\n")).unwrap();
        fs::rename(part, file).unwrap();
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ids");
    let mut copy = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(VICTIM, &file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let text = wait::until("the copy has a cluster", 2 * SOON, async || {
        if copy.try_wait()?.is_some() {
            panic!("the copy ended by itself");
        }
        Ok(Some(fs::read_to_string(&file)?))
    })
    .await
    .unwrap();
    let (its_folder, ids) = text.split_once('\n').unwrap();
    let ids: Vec<u32> = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() >= 2 && ids.iter().all(|id| is_alive(*id)), "{ids:?}");

    copy.kill().unwrap();
    copy.wait().unwrap();
    wait::until("its children are gone", SOON, async || {
        Ok((!ids.iter().any(|id| is_alive(*id))).then_some(()))
    })
    .await
    .unwrap();
    // Nobody was left to remove it.
    fs::remove_dir_all(its_folder).unwrap();
}

#[test]
fn a_process_outlives_the_thread_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().to_owned();
    let mut process = thread::spawn(move || {
        let process = Process::start(Program::new("sleep", "sleep", ["60"]), &logs).unwrap();
        // Until `setpriv` has become the program, the end of this thread would do no harm.
        let name = format!("/proc/{}/comm", process.id());
        while fs::read_to_string(&name).unwrap() != "sleep\n" {
            thread::sleep(Duration::from_millis(1));
        }
        process
    })
    .join()
    .unwrap();
    thread::sleep(Duration::from_millis(300));
    process.expect_running().unwrap();
}

#[test]
fn a_process_can_be_stopped_restarted_paused_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let program = Program::new("loop", "sh", ["-c", script]);
    let mut process = Process::start(program, folder.path()).unwrap();
    let up = |process: &Process| {
        let end = Instant::now() + SOON;
        while !process.has_logged("up") {
            assert!(Instant::now() < end, "{}", process.log_tail());
            thread::sleep(Duration::from_millis(10));
        }
    };
    up(&process);
    process.stop().unwrap();
    assert_eq!(process.log_tail(), "up\nasked");

    let first = process.id();
    process.restart().unwrap();
    up(&process);
    assert_ne!(process.id(), first);
    assert_eq!(process.log_tail(), "up", "the log of this run alone");
    assert_eq!(fs::read_to_string(process.log()).unwrap(), "up\nasked\nup\n");

    process.pause().unwrap();
    let paused = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    assert!(paused.contains(") T "), "{paused}");
    process.resume().unwrap();
    process.expect_running().unwrap();
    process.kill().unwrap();
    let error = process.expect_running().unwrap_err().to_string();
    assert!(error.contains("loop ended with signal: 9"), "{error}");
}

#[test]
fn a_server_that_finds_its_port_taken_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 1";
    let mut process =
        Process::start(Program::new("server", "sh", ["-c", script]), folder.path()).unwrap();
    let end = Instant::now() + SOON;
    let error = loop {
        assert!(Instant::now() < end);
        if let Err(error) = process.expect_running() {
            break error;
        }
    };
    assert!(error.context("starting a server").is::<PortTaken>());
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_need_a_scheduler_of_ours_are_skipped_out_loud_elsewhere() {
    let name = "tests_that_need_a_scheduler_of_ours_are_skipped_out_loud_elsewhere";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let skipped = "a_deployment_becomes_available_on_fake_nodes";
    let run = "a_service_account_may_do_what_rbac_grants_and_no_more";
    let check = |variable: &str, value: &Path, why: &str| {
        let output = Command::new(env::current_exe().unwrap())
            .args([skipped, run, "--exact"])
            .env(variable, value)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stdout}\n{stderr}");
        assert!(stdout.contains("2 passed"), "{stdout}");
        assert!(stderr.contains(&format!("skipped: {skipped}: {why}")), "{stderr}");
    };

    // What envtest brings.
    let assets = tempfile::tempdir().unwrap();
    for tool in [Tool::Etcd, Tool::KubeApiserver] {
        symlink(tools::path(tool).unwrap(), assets.path().join(tool.name())).unwrap();
    }
    let why = "KUBEBUILDER_ASSETS has no kube-controller-manager";
    check("KUBEBUILDER_ASSETS", assets.path(), why);

    // Somebody's cluster: here, one of ours.
    let cluster = Cluster::start(without_controller_manager()).await.unwrap();
    let why = "the scheduler of CARBON_KUBE_E2E_KUBECONFIG's cluster isn't ours";
    check("CARBON_KUBE_E2E_KUBECONFIG", cluster.admin_kubeconfig(), why);
}

fn without_controller_manager() -> ClusterOptions {
    ClusterOptions { controller_manager: false, ..ClusterOptions::default() }
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object of this kind")
}

fn deployment(name: &str, replicas: u32) -> Deployment {
    object(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "example.test/none" }] },
            },
        },
    }))
}

fn pod(name: &str, runs_for: Option<&str>) -> Pod {
    object(json!({
        "metadata": { "name": name, "annotations": runs_for.map(|it| json!({ RUNS_FOR: it })) },
        "spec": { "containers": [{ "name": "main", "image": "example.test/none" }] },
    }))
}

async fn available(api: &Api<Deployment>, name: &str, replicas: i32) {
    wait::until(&format!("{replicas} pods of `{name}` are available"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        Ok((status.available_replicas == Some(replicas)).then_some(()))
    })
    .await
    .expect("the state is reached");
}

async fn phase(api: &Api<Pod>, name: &str, phase: &str) {
    wait::until(&format!("`{name}` is {phase}"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        Ok((status.phase.as_deref() == Some(phase)).then_some(()))
    })
    .await
    .expect("the state is reached");
}

async fn reason(api: &Api<Pod>, name: &str, reason: &str) {
    wait::until(&format!("`{name}` isn't scheduled: {reason}"), SOON, async || {
        let status = api.get(name).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.into_iter().flatten();
        let found = conditions.any(|it| {
            it.type_ == "PodScheduled"
                && it.status == "False"
                && it.reason.as_deref() == Some(reason)
        });
        Ok(found.then_some(()))
    })
    .await
    .expect("the state is reached");
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the API server: {other}"),
    }
}

/// The smallest extender: it refuses every node, or none.
struct Refuser {
    url: String,
    refuses: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Refuser {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let refuses = Arc::new(AtomicBool::new(true));
        let calls = Arc::new(AtomicUsize::new(0));
        let (its_refuses, its_calls) = (refuses.clone(), calls.clone());
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (refuses, calls) = (its_refuses.clone(), its_calls.clone());
                thread::spawn(move || serve(&stream, &refuses, &calls));
            }
        });
        Self { url, refuses, calls }
    }
}

/// Answers the calls of one connection until it closes.
fn serve(mut stream: &TcpStream, refuses: &AtomicBool, calls: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 {
                return Ok(());
            }
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        calls.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(&body)?;
        let names: Vec<&str> = body["NodeNames"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let answer = if request.contains("/prioritize") {
            json!(names.iter().map(|name| json!({ "Host": name, "Score": 0 })).collect::<Vec<_>>())
        } else if refuses.load(Ordering::SeqCst) {
            let reasons: BTreeMap<&str, &str> = names.iter().map(|it| (*it, "not now")).collect();
            json!({ "NodeNames": [], "FailedAndUnresolvableNodes": reasons })
        } else {
            json!({ "NodeNames": names })
        };
        let answer = answer.to_string();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}
