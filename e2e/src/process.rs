//! Child processes that can't outlive the test that started them.
//!
//! Two things end a child: dropping its [`Process`], and the death of the test process by whatever
//! cause, `kill -9` included. The second needs the kernel's help (the parent-death signal), which
//! `setpriv` of util-linux asks for before it becomes the program.
//!
//! The kernel sends that signal when the parent *thread* ends, not the process. A test runs in a
//! thread of its own, and a pool's thread ends when the pool shrinks; so one thread, which lives as
//! long as the process, starts every child:
//!
//! ```text
//! test thread --Command--> spawner thread --fork--> setpriv --exec--> etcd
//!             <---Child---
//! ```
//!
//! One gap is left: a test process that is killed in the millisecond before `setpriv` has asked.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many lines of a log an error shows.
const LOG_TAIL_LINES: usize = 25;

/// How long a process may take over SIGTERM before it is killed. The API server drains for some
/// seconds when watches are open.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// How long the kernel may take to stop every thread of a process.
const PAUSE_WITHIN: Duration = Duration::from_secs(5);

/// A program with its arguments, which can be started more than once.
#[derive(Clone, Debug)]
pub struct Program {
    /// Short name: of the log file, and in errors.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables on top of this process's own.
    pub env: Vec<(String, String)>,
}

impl Program {
    /// `path` with `args`, and the environment of this process.
    pub fn new(
        name: impl Into<String>,
        path: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
        }
    }
}

/// A running (or ended) child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    program: Program,
    log: PathBuf,
    /// Where in the log this run's output begins.
    log_start: u64,
    child: Child,
}

/// A server found its port taken; with another port it would start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortTaken {
    /// The name of the server.
    pub name: String,
    /// The end of its log.
    pub log_tail: String,
}

impl fmt::Display for PortTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody else listens on the port of {}:\n{}", self.name, self.log_tail)
    }
}

impl std::error::Error for PortTaken {}

impl Process {
    /// Starts `program` with its output in `<logs>/<name>.log`. Output is appended: a restarted
    /// process goes on in the log of the one before.
    ///
    /// # Errors
    /// When the log can't be opened or `setpriv` isn't installed. A program that doesn't exist is
    /// an exit status, not an error here.
    pub fn start(program: Program, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{}.log", program.name));
        let log_start = fs::metadata(&log).map_or(0, |file| file.len());
        let child = spawn(&program, &log)?;
        Ok(Self { program, log, log_start, child })
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// The process id. `setpriv` becomes the program, so this is the program's own.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that takes its standard output and standard error.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether this run has written `text` to its log.
    pub fn has_logged(&self, text: &str) -> bool {
        self.output().contains(text)
    }

    /// The last lines that this run has written to its log, for errors.
    pub fn log_tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// What this run has written. A log that can't be read is an empty one: this serves errors, and
    /// must not put another in their place.
    fn output(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.log_start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// The exit status, once it has ended.
    ///
    /// # Errors
    /// When the operating system won't say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking for the state of {}", self.name()))
    }

    /// # Errors
    /// When the process has ended; the error shows the end of its log. It is a [`PortTaken`] when
    /// that was the cause.
    pub fn expect_running(&mut self) -> Result<()> {
        if let Some(status) = self.exited()? {
            if self.has_logged("address already in use") {
                bail!(PortTaken { name: self.program.name.clone(), log_tail: self.log_tail() });
            }
            bail!("{} ended with {status}:\n{}", self.name(), self.log_tail());
        }
        Ok(())
    }

    /// Ends it at once (SIGKILL), as a crash or the kernel's out-of-memory killer would. A process
    /// that has ended is fine.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.program.name))?;
        self.child.wait().with_context(|| format!("waiting for {}", self.program.name))?;
        Ok(())
    }

    /// Asks it to end (SIGTERM), and kills it when it takes more than 15 s. Blocks.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        self.signal("TERM")?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            if self.exited()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill()
    }

    /// Starts the same program with the same arguments again, after killing it if it still runs.
    ///
    /// # Errors
    /// As [`Process::start`] and [`Process::kill`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.log_start = fs::metadata(&self.log).map_or(0, |file| file.len());
        self.child = spawn(&self.program, &self.log)?;
        Ok(())
    }

    /// Stops its clock (SIGSTOP): it holds its connections and answers nothing, as a machine that
    /// swaps or a program in a long pause would. Blocks until the last thread has stopped.
    ///
    /// # Errors
    /// When the signal can't be sent, or the process doesn't stop.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")?;
        // The signal comes to the threads one by one, and one of them may answer a request yet.
        let sent = Instant::now();
        while !all_threads_are_stopped(self.id())? {
            if sent.elapsed() > PAUSE_WITHIN {
                bail!("{} doesn't stop", self.name());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Goes on after [`Process::pause`].
    ///
    /// # Errors
    /// When the signal can't be sent.
    pub fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .context("running `kill`")?;
        if !status.success() {
            bail!("`kill -s {name}` of {} (process {}) failed", self.name(), self.id());
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody left to tell.
        let _ = self.kill();
    }
}

fn all_threads_are_stopped(id: u32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{id}/task")).context("the threads of a process")? {
        let stat = thread.context("a thread")?.path().join("stat");
        // A thread that has ended since it was listed doesn't run.
        if fs::read_to_string(stat).is_ok_and(|stat| state_letter(&stat) != Some('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The state in a line of `/proc/<id>/stat`. It follows the program's name, which is in parentheses
/// and may hold anything.
fn state_letter(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process of this id runs. A zombie, which only waits for its parent to ask for its
/// status, doesn't.
pub fn is_alive(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !matches!(state_letter(&stat), Some('Z' | 'X') | None))
}

/// One process to start, and where to send what came of it.
struct Order {
    command: Command,
    started: mpsc::Sender<io::Result<Child>>,
}

/// The way to the thread that starts every child (see the module's description).
static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (orders, queue) = mpsc::channel::<Order>();
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for mut order in queue {
                // Nobody waits only when the test has panicked meanwhile; the child must not stay.
                if let Err(mpsc::SendError(Ok(mut child))) =
                    order.started.send(order.command.spawn())
                {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        })
        .expect("a thread can be started");
    Mutex::new(orders)
});

fn spawn(program: &Program, log: &Path) -> Result<Child> {
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("opening {}", log.display()))?;
    let errors = output.try_clone().context("duplicating a file handle")?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&program.path)
        .args(&program.args)
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    let (started, answer) = mpsc::channel();
    SPAWNER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(Order { command, started })
        .expect("the spawner lives as long as the process");
    answer
        .recv()
        .expect("the spawner answers every order")
        .with_context(|| format!("starting {} through setpriv (of util-linux)", program.name))
}

/// A loopback port that nothing listens on, and that no other caller in this process was given.
///
/// It is below the range from which the kernel takes the ports of outgoing connections. A client
/// that keeps trying to reach a server that is down would otherwise, now and then, be given the
/// server's own port, connect to itself, and hold the port against the server's return.
///
/// Another process may still take the port before it is used; whoever starts a server has to expect
/// that (see [`PortTaken`]).
///
/// # Errors
/// When hundreds of ports in a row are taken.
pub fn free_port() -> Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    const FIRST: u16 = 12_000;
    const COUNT: u64 = 20_000;

    let random = RandomState::new();
    for attempt in 0..500 {
        // A new random start in each process keeps two test runs on one machine apart.
        let offset = random.hash_one(attempt) % COUNT;
        let port = FIRST + u16::try_from(offset).expect("less than COUNT");
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return Ok(port);
        }
    }
    bail!("no free loopback port from {FIRST} on")
}
