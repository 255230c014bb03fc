//! Asks a running extender on this machine what kube-scheduler would ask, for so many seconds, and
//! prints how long the answers took.
//!
//! Each connection stays open and has one request under way, as a scheduler's has. Making a
//! request and checking its answer is not a part of what is measured: the time runs from the first
//! byte sent to the last one read. With a rate it runs from when the request was due, so that an
//! extender that falls behind can't hide it.

mod cluster;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carbon_kube_core::Span;
use carbon_kube_extender::server::wall_clock;
use clap::{Parser, ValueEnum};
use cluster::{Form, Requests};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// One answer in so many is read in full; the first of each connection always is.
const CHECKED: u64 = 64;

/// Measure how long an extender on this machine takes to answer
#[derive(Debug, Parser)]
struct Args {
    /// Where it listens, such as `http://127.0.0.1:8443/v1`
    #[arg(long)]
    url: String,
    /// What is asked
    #[arg(long, value_enum, default_value_t = Asked::Both)]
    verb: Asked,
    /// How many nodes are offered
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    /// How they are offered
    #[arg(long, value_enum, default_value_t = Form::Names)]
    mode: Form,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before that which are not counted
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Requests per second over all connections; as many as possible where it is not given
    #[arg(long)]
    rate: Option<f64>,
    /// Print JSON, a line per verb
    #[arg(long)]
    json: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Asked {
    Filter,
    Prioritize,
    /// One after the other about the same pod.
    Both,
}

impl Asked {
    fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Filter => &["filter"],
            Self::Prioritize => &["prioritize"],
            Self::Both => &["filter", "prioritize"],
        }
    }
}

/// What went wrong, for people.
type Problem = String;

/// Where and what to ask, shared by all connections.
struct Plan {
    address: SocketAddr,
    path: String,
    verbs: &'static [&'static str],
    requests: Requests,
    /// Number of the next request.
    next: AtomicU64,
    begin: Instant,
    counted: Instant,
    end: Instant,
    rate: Option<f64>,
}

/// What came of one verb.
struct Measured {
    times: Histogram<u64>,
    errors: u64,
    /// The first error.
    problem: Option<Problem>,
    body_bytes: usize,
    checked: u64,
    refused: u64,
}

/// A line of the result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: &'static str,
    mode: &'static str,
    nodes: usize,
    connections: usize,
    body_bytes: usize,
    requests: u64,
    errors: u64,
    requests_per_second: f64,
    p50_micros: f64,
    p95_micros: f64,
    p99_micros: f64,
    max_micros: f64,
    /// Of the answers to `filter` that were read in full, how many nodes they refuse in the mean.
    refused_nodes: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(errors) => ExitCode::from(u8::from(errors > 0)),
        Err(problem) => {
            // Nobody is left to tell where even standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<u64, Problem> {
    let (address, path) = loopback(&args.url)?;
    let created = wall_clock()().floor(Span::SECOND);
    let requests = Requests::new(args.nodes, args.mode, created);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let measured = runtime.block_on(measure(args, address, path, requests))?;
    report(args, &measured).map_err(|error| error.to_string())?;
    Ok(measured.iter().map(|measured| measured.errors).sum())
}

/// Address and path of an URL. Load is for one's own machine only.
fn loopback(url: &str) -> Result<(SocketAddr, String), Problem> {
    let rest = url.strip_prefix("http://").ok_or("--url: only http:// is spoken here")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: SocketAddr = authority
        .replace("localhost", "127.0.0.1")
        .parse()
        .map_err(|_| format!("--url: `{authority}` is not an address and a port"))?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {}
        IpAddr::V6(ip) if ip.is_loopback() => {}
        ip => return Err(format!("--url: {ip} is not this machine (127.0.0.1 or ::1)")),
    }
    Ok((address, path.trim_end_matches('/').to_owned()))
}

async fn measure(
    args: &Args,
    address: SocketAddr,
    path: String,
    requests: Requests,
) -> Result<Vec<Measured>, Problem> {
    let mut streams = Vec::new();
    for _ in 0..args.connections {
        streams.push(connect(address).await?);
    }
    let begin = Instant::now();
    let counted = begin + Duration::from_secs_f64(args.warm_up.clamp(0.0, 600.0));
    let plan = Arc::new(Plan {
        address,
        path,
        verbs: args.verb.verbs(),
        requests,
        next: AtomicU64::new(0),
        begin,
        counted,
        end: counted + Duration::from_secs_f64(args.seconds.clamp(0.1, 3_600.0)),
        rate: args.rate.filter(|rate| *rate > 0.0),
    });
    let mut connections = JoinSet::new();
    for stream in streams {
        connections.spawn(connection(Arc::clone(&plan), stream));
    }
    let mut all: Vec<Measured> = plan.verbs.iter().map(|_| Measured::default()).collect();
    while let Some(one) = connections.join_next().await {
        for (all, one) in all.iter_mut().zip(one.map_err(|error| error.to_string())?) {
            all.add(&one);
        }
    }
    Ok(all)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Problem> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("{address}: {e}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// One connection until the time is over; a new one where it breaks.
async fn connection(plan: Arc<Plan>, stream: TcpStream) -> Vec<Measured> {
    let mut measured: Vec<Measured> = plan.verbs.iter().map(|_| Measured::default()).collect();
    let mut stream = Some(stream);
    let (mut request, mut body, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    let mut pods = 0_u64;
    while let Some((number, due)) = plan.wait(pods).await {
        body.clear();
        plan.requests.body(number, &mut body);
        for (verb, measured) in plan.verbs.iter().zip(&mut measured) {
            head(&mut request, &plan, verb, body.len());
            request.extend_from_slice(&body);
            let start = due.filter(|_| *verb == plan.verbs[0]).unwrap_or_else(Instant::now);
            let sent = exchange(&plan, &mut stream, &request, &mut answer).await;
            let mut took = sent.map(|()| start.elapsed());
            if took.is_ok() && pods.is_multiple_of(CHECKED) {
                match check(verb, plan.requests.offered(), &answer) {
                    Ok(refused) => measured.refused(refused),
                    Err(problem) => took = Err(problem),
                }
            }
            measured.body_bytes = body.len();
            if start >= plan.counted {
                measured.count(took);
            }
        }
        pods += 1;
    }
    measured
}

impl Plan {
    /// Waits until the next pod's turn: its number, and when that was where there is a rate. `None`
    /// where the time is over.
    async fn wait(&self, pods: u64) -> Option<(u64, Option<Instant>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.rate.map(|rate| {
            let requests = number as f64 * self.verbs.len() as f64;
            self.begin + Duration::from_secs_f64(requests / rate)
        });
        if let Some(due) = due {
            sleep_until(due.min(self.end)).await;
        }
        // A round through the scheduler now and then, so that no connection starves.
        if pods % 256 == 255 {
            tokio::task::yield_now().await;
        }
        let now = Instant::now();
        (due.unwrap_or(now).max(now) < self.end).then_some((number, due))
    }
}

fn head(request: &mut Vec<u8>, plan: &Plan, verb: &str, length: usize) {
    request.clear();
    let head = format!(
        "POST {}/{verb} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {length}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        plan.path, plan.address
    );
    request.extend_from_slice(head.as_bytes());
}

/// Sends a request and reads the body of its answer, on a new connection where there is none.
async fn exchange(
    plan: &Plan,
    stream: &mut Option<TcpStream>,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> Result<(), Problem> {
    let mut open = match stream.take() {
        Some(open) => open,
        None => connect(plan.address).await?,
    };
    let both = async {
        open.write_all(request).await.map_err(|error| error.to_string())?;
        receive(&mut open, answer).await
    };
    timeout(PATIENCE, both).await.map_err(|_| format!("no answer within {PATIENCE:?}"))??;
    *stream = Some(open);
    Ok(())
}

/// Reads one response with a length; leaves its body in `answer`.
async fn receive(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<(), Problem> {
    answer.clear();
    let (body, length) = loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break (end + 4, length(&String::from_utf8_lossy(&answer[..end]))?);
        }
        more(stream, answer).await?;
    };
    answer.reserve((body + length).saturating_sub(answer.len()));
    while answer.len() < body + length {
        more(stream, answer).await?;
    }
    answer.drain(..body);
    Ok(())
}

async fn more(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<(), Problem> {
    match stream.read_buf(answer).await {
        Ok(0) => Err("the connection was closed before the answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The length of the body of a response that is a success.
fn length(head: &str) -> Result<usize, Problem> {
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("answered `{status}`"));
    }
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| "an answer without a length".to_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filtered<'a> {
    #[serde(borrow)]
    nodes: Option<Items<'a>>,
    node_names: Option<Vec<String>>,
    failed_and_unresolvable_nodes: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// Whether the answer speaks of every node; how many it refuses.
fn check(verb: &str, offered: usize, answer: &[u8]) -> Result<usize, Problem> {
    let unreadable = |error: serde_json::Error| format!("an answer that can't be read: {error}");
    let (answered, refused) = if verb == "filter" {
        let answer: Filtered<'_> = serde_json::from_slice(answer).map_err(unreadable)?;
        let passed = answer.nodes.map_or(0, |nodes| nodes.items.len())
            + answer.node_names.map_or(0, |names| names.len());
        let refused = answer.failed_and_unresolvable_nodes.len();
        (passed + refused, refused)
    } else {
        let scores: Vec<&RawValue> = serde_json::from_slice(answer).map_err(unreadable)?;
        (scores.len(), 0)
    };
    if answered != offered {
        return Err(format!("{offered} nodes were offered, {answered} are in the answer"));
    }
    Ok(refused)
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            // Three digits, from a microsecond to beyond the patience: some 100 KB.
            times: Histogram::new_with_bounds(1_000, 100_000_000_000, 3).expect("valid bounds"),
            errors: 0,
            problem: None,
            body_bytes: 0,
            checked: 0,
            refused: 0,
        }
    }
}

impl Measured {
    fn count(&mut self, took: Result<Duration, Problem>) {
        match took {
            Ok(took) => {
                self.times.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
            Err(problem) => {
                self.errors += 1;
                self.problem.get_or_insert(problem);
            }
        }
    }

    fn refused(&mut self, nodes: usize) {
        self.checked += 1;
        self.refused += nodes as u64;
    }

    fn add(&mut self, other: &Self) {
        self.times.add(&other.times).expect("equal bounds");
        self.errors += other.errors;
        self.problem = self.problem.take().or_else(|| other.problem.clone());
        self.body_bytes = self.body_bytes.max(other.body_bytes);
        self.checked += other.checked;
        self.refused += other.refused;
    }

    fn line(&self, verb: &'static str, args: &Args) -> Line {
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let quantile = |q| micros(self.times.value_at_quantile(q));
        Line {
            verb,
            mode: args.mode.word(),
            nodes: args.nodes,
            connections: args.connections,
            body_bytes: self.body_bytes,
            requests: self.times.len(),
            errors: self.errors,
            requests_per_second: self.times.len() as f64 / args.seconds,
            p50_micros: quantile(0.5),
            p95_micros: quantile(0.95),
            p99_micros: quantile(0.99),
            max_micros: micros(self.times.max()),
            refused_nodes: self.refused as f64 / self.checked.max(1) as f64,
        }
    }
}

fn report(args: &Args, measured: &[Measured]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(
            out,
            "{:<11} {:>6} {:>6} {:>12} {:>9} {:>7} {:>9} {:>10} {:>10} {:>10} {:>10} {:>8}",
            "verb",
            "mode",
            "nodes",
            "connections",
            "requests",
            "errors",
            "per s",
            "P50 µs",
            "P95 µs",
            "P99 µs",
            "max µs",
            "refused"
        )?;
    }
    for (verb, measured) in args.verb.verbs().iter().zip(measured) {
        let line = measured.line(verb, args);
        if let Some(problem) = &measured.problem {
            writeln!(std::io::stderr(), "{verb}: {} errors, the first: {problem}", line.errors)?;
        }
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            continue;
        }
        writeln!(
            out,
            "{:<11} {:>6} {:>6} {:>12} {:>9} {:>7} {:>9.0} {:>10.0} {:>10.0} {:>10.0} {:>10.0} {:>8.0}",
            line.verb,
            line.mode,
            line.nodes,
            line.connections,
            line.requests,
            line.errors,
            line.requests_per_second,
            line.p50_micros,
            line.p95_micros,
            line.p99_micros,
            line.max_micros,
            line.refused_nodes
        )?;
    }
    Ok(())
}
