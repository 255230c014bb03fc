//! A control plane for one test: etcd, the API server, the controller manager, a scheduler.
//!
//! ```text
//!  Cluster::start ---> etcd --> kube-apiserver (RBAC) --> kube-controller-manager
//!  start_scheduler -------------------^--------------------- kube-scheduler
//! ```
//!
//! All of it listens on loopback, on ports of its own, keeps its state in a temporary folder and
//! ends with the [`Cluster`]. With `CARBON_KUBE_E2E_KUBECONFIG`, `start` connects to that cluster
//! instead; what is needed beyond an API server is asked with [`skips`] first.
//!
//! A test process runs one cluster at a time: `start` waits until the one before is dropped, because
//! two control planes side by side make each other slow enough to fail. So a test has one cluster.
//!
//! Three groups of controllers don't run. Node life cycle and taint eviction would evict the pods of
//! nodes that send no heartbeats; node IPAM wants a cloud or a pod network; the pod garbage collector
//! deletes finished pods that a test still looks at.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, GetParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::{Client, Config};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::pki::{self, Authority, IdentityFiles, User};
use crate::process::{PortTaken, Process, Program, free_port};
use crate::scheduler::Configuration;
use crate::tools::{self, Tool};
use crate::wait;

/// Some 4 s on an idle machine of 2 cores; a busy one has taken five times that.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How often a server gets another port. Losing the race twice is a broken machine, not bad luck.
const ATTEMPTS: usize = 3;

const CONTROLLERS: &str = "*,-node-lifecycle-controller,-taint-eviction-controller,\
    -node-ipam-controller,-pod-garbage-collector-controller";

/// See the module's description.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// What a test may need beyond an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An API server that may be killed, and a folder of logs.
    OwnApiServer,
    /// Deployments, Jobs, disruption budgets.
    ControllerManager,
    /// A scheduler with the test's configuration.
    OwnScheduler,
}

/// Whether the test can't run here; if so, says it on standard error.
///
/// ```text
/// if cluster::skips("a_pod_waits", &[Need::OwnScheduler]) {
///     return;
/// }
/// ```
pub fn skips(test: &str, needs: &[Need]) -> bool {
    let Some(why) = needs.iter().find_map(|need| why_not(*need)) else {
        return false;
    };
    tools::skip(test, why);
    true
}

fn why_not(need: Need) -> Option<&'static str> {
    if external_kubeconfig().is_some() {
        return match need {
            Need::OwnApiServer => Some("the cluster of CARBON_KUBE_E2E_KUBECONFIG isn't ours"),
            Need::ControllerManager => None,
            Need::OwnScheduler => {
                Some("the scheduler of CARBON_KUBE_E2E_KUBECONFIG's cluster isn't ours")
            }
        };
    }
    match need {
        Need::OwnApiServer => None,
        Need::ControllerManager => (!tools::is_available(Tool::KubeControllerManager))
            .then_some("KUBEBUILDER_ASSETS has no kube-controller-manager"),
        Need::OwnScheduler => (!tools::is_available(Tool::KubeScheduler))
            .then_some("KUBEBUILDER_ASSETS has no kube-scheduler"),
    }
}

fn external_kubeconfig() -> Option<PathBuf> {
    env::var_os("CARBON_KUBE_E2E_KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Whether to run the controller manager, where there is one. Without it there are no
    /// Deployments, Jobs, or budgets, and the start takes about 2 s less.
    pub controller_manager: bool,
    /// Flags of the API server besides those of the fixture.
    pub api_server_flags: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { controller_manager: true, api_server_flags: Vec::new() }
    }
}

/// A control plane. Dropping it ends every process of it and removes its folder.
pub struct Cluster {
    client: Client,
    admin_kubeconfig: PathBuf,
    own: Option<ControlPlane>,
    folder: Folder,
    start_took: Duration,
    _turn: SemaphorePermit<'static>,
}

/// The part of a [`Cluster`] that is ours. Fields are dropped in this order: clients before servers.
struct ControlPlane {
    scheduler: Option<Scheduler>,
    controller_manager: Option<Process>,
    api_server: Process,
    etcd: Process,
    pki: Pki,
    server: String,
}

struct Scheduler {
    process: Process,
    port: u16,
    /// To its own port, for its metrics.
    client: Client,
}

/// The files that every process is given.
#[derive(Debug)]
struct Pki {
    authority: Authority,
    authority_file: PathBuf,
    server: IdentityFiles,
    token_private: PathBuf,
    token_public: PathBuf,
}

impl Cluster {
    /// Starts a control plane and waits until a pod could be created; or connects to the cluster
    /// that `CARBON_KUBE_E2E_KUBECONFIG` names.
    ///
    /// # Errors
    /// When a program can't be had or doesn't become ready; the error shows the end of its log. A
    /// taken port is not an error: others are tried.
    pub async fn start(options: ClusterOptions) -> Result<Self> {
        if let Some(cluster) = Self::external().await? {
            return Ok(cluster);
        }
        let turn = ONE_AT_A_TIME.acquire().await.context("waiting for a turn")?;
        let started = Instant::now();
        for attempt in 1.. {
            let folder = Folder::new()?;
            match ControlPlane::start(folder.path(), &options).await {
                Ok((own, admin_kubeconfig, client)) => {
                    let own = Some(own);
                    let start_took = started.elapsed();
                    return Ok(Self {
                        client,
                        admin_kubeconfig,
                        own,
                        folder,
                        start_took,
                        _turn: turn,
                    });
                }
                Err(error) if error.is::<PortTaken>() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error.context("starting a control plane")),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// The cluster that `CARBON_KUBE_E2E_KUBECONFIG` names, if it is set.
    ///
    /// # Errors
    /// When that file isn't a kubeconfig or the cluster doesn't answer.
    pub async fn external() -> Result<Option<Self>> {
        let Some(path) = external_kubeconfig() else {
            return Ok(None);
        };
        let turn = ONE_AT_A_TIME.acquire().await.context("waiting for a turn")?;
        let started = Instant::now();
        let client = client(&path).await?;
        client.apiserver_version().await.with_context(|| {
            format!("the cluster of CARBON_KUBE_E2E_KUBECONFIG, {}", path.display())
        })?;
        Ok(Some(Self {
            client,
            admin_kubeconfig: path,
            own: None,
            folder: Folder::new()?,
            start_took: started.elapsed(),
            _turn: turn,
        }))
    }

    /// A client that may do everything. It outlives the API server's restarts.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// How long the start took, without the wait for a turn.
    pub fn start_took(&self) -> Duration {
        self.start_took
    }

    /// A folder for the test's own files, which goes away with the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig of [`Cluster::client`].
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// A kubeconfig for anybody. In a cluster of our own the user has a certificate; in another's,
    /// the file's user impersonates them, which RBAC can't tell apart.
    ///
    /// # Errors
    /// When the user is in more than two groups, or the file can't be written.
    pub fn kubeconfig(&self, user: &User) -> Result<PathBuf> {
        let path = self.folder().join(format!("{}.kubeconfig", user.name.replace([':', '/'], "-")));
        match &self.own {
            Some(own) => own.pki.kubeconfig(&path, &own.server, user)?,
            None => {
                let mut config = Kubeconfig::read_from(&self.admin_kubeconfig)?;
                for auth in config.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
                    auth.impersonate = Some(user.name.clone());
                    auth.impersonate_groups = Some(user.groups.clone());
                }
                let text = serde_json::to_string_pretty(&config).context("a kubeconfig")?;
                pki::write(&path, &text)?;
            }
        }
        Ok(path)
    }

    /// A client for anybody.
    ///
    /// # Errors
    /// As [`Cluster::kubeconfig`].
    pub async fn client_of(&self, user: &User) -> Result<Client> {
        client(&self.kubeconfig(user)?).await
    }

    /// Files of a server's certificate that this cluster's authority signed, and of the authority's
    /// own: for an extender that serves HTTPS.
    ///
    /// # Errors
    /// In a cluster that isn't ours, or when a name isn't one that a certificate can hold.
    pub fn server_certificate(&self, names: &[&str]) -> Result<(IdentityFiles, PathBuf)> {
        let pki = &self.own()?.pki;
        let identity = pki.authority.server(names.iter().copied())?;
        let name = names.first().copied().unwrap_or("server");
        let files = identity.write(self.folder(), &format!("server-{name}"))?;
        Ok((files, pki.authority_file.clone()))
    }

    /// Starts a scheduler, in place of the one that ran before, and waits until it is ready to
    /// schedule.
    ///
    /// # Errors
    /// In a cluster that isn't ours, or when the scheduler doesn't become ready: it refuses a
    /// configuration that it doesn't understand.
    pub async fn start_scheduler(&mut self, configuration: &Configuration) -> Result<()> {
        let folder = self.folder.path().to_owned();
        let own = self.own_mut()?;
        own.scheduler = None;
        for attempt in 1.. {
            match own.scheduler(&folder, configuration).await {
                Ok(scheduler) => {
                    own.scheduler = Some(scheduler);
                    break;
                }
                Err(error) if error.is::<PortTaken>() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error.context("starting a scheduler")),
            }
        }
        Ok(())
    }

    /// The scheduler's process.
    ///
    /// # Errors
    /// When none was started.
    pub fn scheduler(&mut self) -> Result<&mut Process> {
        let scheduler = self.own_mut()?.scheduler.as_mut().context("no scheduler was started")?;
        Ok(&mut scheduler.process)
    }

    /// The scheduler's metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// When no scheduler runs.
    pub async fn scheduler_metrics(&self) -> Result<String> {
        let scheduler = self.own()?.scheduler.as_ref().context("no scheduler was started")?;
        get(&scheduler.client, "metrics").await
    }

    /// The port that the scheduler shows its metrics on, by HTTPS, and the identity of somebody who may
    /// read them.
    ///
    /// # Errors
    /// When no scheduler runs.
    pub fn scheduler_endpoint(&self) -> Result<(u16, IdentityFiles)> {
        let scheduler = self.own()?.scheduler.as_ref().context("no scheduler was started")?;
        let file = |end: &str| self.folder().join(format!("scheduler-endpoint.{end}"));
        Ok((scheduler.port, IdentityFiles { certificate: file("crt"), key: file("key") }))
    }

    /// Kills the API server, as a crash would. Its data is etcd's, and stays.
    ///
    /// # Errors
    /// In a cluster that isn't ours.
    pub fn kill_api_server(&mut self) -> Result<()> {
        self.own_mut()?.api_server.kill()
    }

    /// Starts the API server again on its port, after killing it if it still runs, and waits until
    /// it is ready.
    ///
    /// # Errors
    /// In a cluster that isn't ours, or when it doesn't become ready.
    pub async fn restart_api_server(&mut self) -> Result<()> {
        let client = self.client.clone();
        let api_server = &mut self.own_mut()?.api_server;
        api_server.restart()?;
        ready(api_server, &client).await
    }

    /// The API server's process, to pause it for instance.
    ///
    /// # Errors
    /// In a cluster that isn't ours.
    pub fn api_server(&mut self) -> Result<&mut Process> {
        Ok(&mut self.own_mut()?.api_server)
    }

    /// Every process of this cluster that was started and not stopped.
    pub fn processes(&self) -> Vec<&Process> {
        self.own.iter().flat_map(ControlPlane::processes).collect()
    }

    fn own(&self) -> Result<&ControlPlane> {
        self.own.as_ref().ok_or_else(not_ours)
    }

    fn own_mut(&mut self) -> Result<&mut ControlPlane> {
        self.own.as_mut().ok_or_else(not_ours)
    }
}

fn not_ours() -> anyhow::Error {
    anyhow!("this cluster isn't ours; the test should have asked `cluster::skips`")
}

impl ControlPlane {
    async fn start(folder: &Path, options: &ClusterOptions) -> Result<(Self, PathBuf, Client)> {
        let with_controller_manager =
            options.controller_manager && tools::is_available(Tool::KubeControllerManager);
        let mut wanted = vec![Tool::Etcd, Tool::KubeApiserver];
        wanted.extend(with_controller_manager.then_some(Tool::KubeControllerManager));
        let paths =
            spawn_blocking(move || tools::paths(&wanted)).await.context("finding tools")??;

        let etcd_port = free_port()?;
        let mut etcd = Process::start(etcd(&paths[0], folder, etcd_port, free_port()?), folder)?;
        let pki = Pki::new(folder)?;
        wait::until("etcd serves", READY_WITHIN, async || {
            Ok(etcd
                .has_logged("ready to serve client requests")
                .then_some(())
                .or_else(|| ended(&mut etcd)))
        })
        .await
        .context(etcd.log_tail())?;
        etcd.expect_running()?;

        let port = free_port()?;
        let server = format!("https://127.0.0.1:{port}");
        let admin_kubeconfig = folder.join("admin.kubeconfig");
        pki.kubeconfig(&admin_kubeconfig, &server, &User::admin())?;
        let client = client(&admin_kubeconfig).await?;
        let program = api_server(&paths[1], &pki, etcd_port, port, &options.api_server_flags);
        let mut api_server = Process::start(program, folder)?;
        ready(&mut api_server, &client).await?;

        let mut control_plane =
            Self { scheduler: None, controller_manager: None, api_server, etcd, pki, server };
        if let Some(path) = paths.get(2) {
            control_plane.start_controller_manager(path, folder, &client).await?;
        } else {
            // Admission refuses pods whose service account doesn't exist.
            let account = ServiceAccount {
                metadata: kube::core::ObjectMeta {
                    name: Some("default".to_owned()),
                    ..Default::default()
                },
                ..ServiceAccount::default()
            };
            Api::namespaced(client.clone(), "default")
                .create(&PostParams::default(), &account)
                .await
                .context("creating the default service account")?;
        }
        Ok((control_plane, admin_kubeconfig, client))
    }

    async fn start_controller_manager(
        &mut self,
        path: &Path,
        folder: &Path,
        client: &Client,
    ) -> Result<()> {
        let kubeconfig = folder.join("controller-manager.kubeconfig");
        let user = User::new("system:kube-controller-manager", [""; 0]);
        self.pki.kubeconfig(&kubeconfig, &self.server, &user)?;
        let program = controller_manager(path, &self.pki, &kubeconfig, free_port()?);
        let process = self.controller_manager.insert(Process::start(program, folder)?);
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        wait::until("the controller manager made a service account", READY_WITHIN, async || {
            let account = accounts.get_opt("default").await?;
            Ok(account.map(drop).or_else(|| ended(process)))
        })
        .await
        .context(process.log_tail())?;
        process.expect_running()
    }

    async fn scheduler(&self, folder: &Path, configuration: &Configuration) -> Result<Scheduler> {
        let path =
            spawn_blocking(|| tools::path(Tool::KubeScheduler)).await.context("a tool")??;
        let kubeconfig = folder.join("scheduler.kubeconfig");
        let user = User::new("system:kube-scheduler", [""; 0]);
        self.pki.kubeconfig(&kubeconfig, &self.server, &user)?;
        let file = folder.join("scheduler.yaml");
        pki::write(&file, &configuration.to_yaml(&kubeconfig)?)?;

        let port = free_port()?;
        let endpoint = folder.join("scheduler-endpoint.kubeconfig");
        self.pki.kubeconfig(&endpoint, &format!("https://127.0.0.1:{port}"), &User::admin())?;
        let client = client(&endpoint).await?;
        let program = scheduler(&path, &self.pki, &kubeconfig, &file, port, &configuration.flags);
        let mut process = Process::start(program, folder)?;
        ready(&mut process, &client).await?;
        Ok(Scheduler { process, port, client })
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        [&self.etcd, &self.api_server]
            .into_iter()
            .chain(&self.controller_manager)
            .chain(self.scheduler.as_ref().map(|scheduler| &scheduler.process))
    }
}

fn etcd(path: &Path, folder: &Path, port: u16, peer_port: u16) -> Program {
    let client_url = format!("http://127.0.0.1:{port}");
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    Program::new(
        "etcd",
        path,
        [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
            // The data is thrown away with the test; a crash of the machine may take it before.
            "--unsafe-no-fsync".to_owned(),
        ],
    )
}

fn api_server(path: &Path, pki: &Pki, etcd_port: u16, port: u16, more_flags: &[String]) -> Program {
    let mut args = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // It would publish the loopback address as the service's endpoint, which is refused.
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--client-ca-file={}", pki.authority_file.display()),
        format!("--tls-cert-file={}", pki.server.certificate.display()),
        format!("--tls-private-key-file={}", pki.server.key.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", pki.token_public.display()),
        format!("--service-account-signing-key-file={}", pki.token_private.display()),
        "--profiling=false".to_owned(),
    ];
    args.extend_from_slice(more_flags);
    Program::new("kube-apiserver", path, args)
}

fn controller_manager(path: &Path, pki: &Pki, kubeconfig: &Path, port: u16) -> Program {
    let kubeconfig = kubeconfig.display();
    Program::new(
        "kube-controller-manager",
        path,
        [
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", pki.server.certificate.display()),
            format!("--tls-private-key-file={}", pki.server.key.display()),
            // It complains every few seconds of an authority that this API server doesn't have.
            "--authentication-skip-lookup=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials=true".to_owned(),
            format!("--service-account-private-key-file={}", pki.token_private.display()),
            format!("--root-ca-file={}", pki.authority_file.display()),
            // The defaults (20 and 30) make a Job of a hundred pods take seconds.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            format!("--controllers={CONTROLLERS}"),
        ],
    )
}

fn scheduler(
    path: &Path,
    pki: &Pki,
    kubeconfig: &Path,
    file: &Path,
    port: u16,
    more_flags: &[String],
) -> Program {
    let kubeconfig = kubeconfig.display();
    let mut args = vec![
        format!("--config={}", file.display()),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // Whom to believe it would ask the API server, which learns it some seconds after it is
        // ready; until then every caller of /metrics would be anonymous.
        "--authentication-skip-lookup=true".to_owned(),
        format!("--client-ca-file={}", pki.authority_file.display()),
        format!("--tls-cert-file={}", pki.server.certificate.display()),
        format!("--tls-private-key-file={}", pki.server.key.display()),
    ];
    args.extend_from_slice(more_flags);
    Program::new("kube-scheduler", path, args)
}

impl Pki {
    fn new(folder: &Path) -> Result<Self> {
        let authority = Authority::new()?;
        let authority_file = folder.join("ca.crt");
        pki::write(&authority_file, authority.certificate())?;
        // 10.0.0.1 is the first address of the services' range, the API server's own.
        let names = ["localhost", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1"];
        let server = authority.server(names)?.write(folder, "server")?;
        let (private, public) = pki::token_keys()?;
        let token_private = folder.join("tokens.key");
        let token_public = folder.join("tokens.pub");
        pki::write(&token_private, &private)?;
        pki::write(&token_public, &public)?;
        Ok(Self { authority, authority_file, server, token_private, token_public })
    }

    fn kubeconfig(&self, path: &Path, server: &str, user: &User) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let identity = self.authority.client(user)?.write(folder, &name)?;
        pki::write_kubeconfig(path, server, &self.authority_file, user, &identity)
    }
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let read = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("reading {}", kubeconfig.display()))?;
    let proxied = read
        .clusters
        .iter()
        .any(|it| it.cluster.as_ref().is_some_and(|cluster| cluster.proxy_url.is_some()));
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("using {}", kubeconfig.display()))?;
    if !proxied {
        // Then it is the environment's HTTPS_PROXY, which isn't meant for loopback.
        config.proxy_url = None;
    }
    Client::try_from(config).context("a client")
}

async fn get(client: &Client, path: &str) -> Result<String> {
    let request = Request::new("").get(path, &GetParams::default()).context("a request")?;
    Ok(client.request_text(request).await?)
}

/// Waits until a server says of itself that it is ready.
async fn ready(process: &mut Process, client: &Client) -> Result<()> {
    let what = format!("{} is ready", process.name());
    wait::until(&what, READY_WITHIN, async || {
        if let Some(()) = ended(process) {
            return Ok(Some(()));
        }
        get(client, "readyz").await.map(|_| Some(()))
    })
    .await
    .context(process.log_tail())?;
    process.expect_running()
}

/// Ends a wait for a process that has ended; `expect_running` says the rest.
fn ended(process: &mut Process) -> Option<()> {
    matches!(process.exited(), Ok(Some(_))).then_some(())
}

/// The temporary folder of one cluster. It stays when the test fails, and then says where it is.
#[derive(Debug)]
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("carbon-kube-e2e-").tempdir();
        Ok(Self(folder.context("a temporary folder")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let asked = env::var_os("CARBON_KUBE_E2E_KEEP").is_some_and(|keep| !keep.is_empty());
        if asked || std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("the logs are in {}", self.0.path().display());
        }
    }
}
