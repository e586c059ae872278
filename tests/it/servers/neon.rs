//! A server that speaks the part of Neon's API that pgstow uses, and makes every branch a real cluster.
//!
//! Requests, and its own answers, are checked against `tests/data/neon-api.json`, which says what Neon's
//! published description says. It answers at once and does things in its own time, as Neon does: while an
//! operation runs, whatever would change something is refused with 423.

use super::postgres::{Cluster, Major, PASSWORD, USER};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// The key it takes.
pub const KEY: &str = "napi_0a1b2c3d4e5f";
/// The project it has.
pub const PROJECT: &str = "shiny-wind-028834";
/// The role that production connects as, and its password.
pub const ROLE: &str = "app_owner";
pub const ROLE_PASSWORD: &str = "npg_7Fq2xKpLw";
/// The default branch.
pub const MAIN: &str = "br-main-000001";

/// How often an operation is looked at before it is done.
const LOOKS: u32 = 2;

/// What happens to a request instead of what should; once, unless it is said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this status.
    Answer(u16),
    /// It is refused with this status, in these words.
    Say(u16, &'static str),
    /// It is done, and the connection closed without an answer.
    LoseAnswer,
    /// It is done, and what it began fails in the end.
    FailLater,
    /// It is held until [`NeonServer::release`], and then done.
    Hold,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: String,
    pub path: String,
    pub status: u16,
}

struct Branch {
    id: String,
    name: String,
    expires_at: Option<String>,
    cluster: Arc<Cluster>,
    databases: Vec<String>,
}

struct Operation {
    id: String,
    branch: String,
    action: &'static str,
    looks: u32,
    fails: bool,
}

#[derive(Default)]
struct State {
    branches: Vec<Branch>,
    operations: Vec<Operation>,
    faults: Vec<(String, Fault)>,
    held: usize,
    released: bool,
    calls: Vec<Call>,
    violations: Vec<String>,
    made: usize,
}

/// A running server.
pub struct NeonServer {
    pub url: String,
    /// The cluster of the default branch.
    pub main: Arc<Cluster>,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl NeonServer {
    /// A project whose default branch has the database `app`, with something in it.
    pub fn start(major: Major) -> NeonServer {
        let main = Arc::new(Cluster::start_with(major, &["log_connections=on"]));
        let roles = "CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION;
             GRANT pg_read_all_data, pg_write_all_data, pg_monitor TO neon_superuser";
        let role = format!(
            "CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION PASSWORD '{ROLE_PASSWORD}' IN ROLE neon_superuser"
        );
        // One statement each: CREATE DATABASE stands in no transaction.
        for statement in [roles, &role, &format!("CREATE DATABASE app OWNER {ROLE}")] {
            main.psql("postgres", statement);
        }
        NeonServer::with(main)
    }

    fn with(main: Arc<Cluster>) -> NeonServer {
        main.psql(
            "app",
            &format!("SET ROLE {ROLE}; CREATE TABLE production (n int); INSERT INTO production VALUES (1)"),
        );
        let default = Branch {
            id: MAIN.into(),
            name: "main".into(),
            expires_at: None,
            cluster: Arc::clone(&main),
            databases: vec!["app".into()],
        };
        let shared =
            Arc::new((Mutex::new(State { branches: vec![default], ..State::default() }), Condvar::new()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let shared = Arc::clone(&served);
                std::thread::spawn(move || serve(connection.unwrap(), &shared));
            }
        });
        NeonServer { url, main, shared }
    }

    /// The variables that lead there.
    pub fn env(&self) -> [(&'static str, &str); 2] {
        [("PGSTOW_NEON_API", &self.url), ("NEON_API_KEY", KEY)]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// Makes the next request of this operation (`createProjectBranch`) go wrong.
    pub fn inject(&self, operation: &str, fault: Fault) {
        self.state().faults.push((operation.into(), fault));
    }

    /// Waits until a request is held.
    #[track_caller]
    pub fn is_held(&self) {
        let (state, changed) = &*self.shared;
        let (_state, waited) = changed
            .wait_timeout_while(state.lock().unwrap(), Duration::from_secs(60), |state| state.held == 0)
            .unwrap();
        assert!(!waited.timed_out(), "no request was held");
    }

    /// Lets held requests go on.
    pub fn release(&self) {
        self.state().released = true;
        self.shared.1.notify_all();
    }

    /// What came in.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The names of the branches besides the default one.
    pub fn branches(&self) -> Vec<String> {
        self.state().branches.iter().skip(1).map(|branch| branch.name.clone()).collect()
    }

    /// When Neon will delete a branch by itself.
    pub fn expires_at(&self, name: &str) -> Option<String> {
        let state = self.state();
        state.branches.iter().find(|branch| branch.name == name)?.expires_at.clone()
    }

    /// The cluster of a branch.
    pub fn cluster(&self, name: &str) -> Arc<Cluster> {
        Arc::clone(&self.state().branches.iter().find(|branch| branch.name == name).unwrap().cluster)
    }

    /// Expects that every request was one that Neon knows, and that production was left alone.
    #[track_caller]
    pub fn is_content(&self) {
        let state = self.state();
        assert_eq!(state.violations, Vec::<String>::new());
        assert_eq!(state.branches[0].databases, ["app"]);
        assert_eq!(self.main.psql("app", "SELECT n FROM production"), "1");
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    key: Option<String>,
    body: Value,
}

fn read(connection: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(connection);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let url = url::Url::parse(&format!("http://h{target}")).unwrap();
    let (mut length, mut key) = (0, None);
    for line in reader.by_ref().lines() {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => key = value.trim().strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path: url.path().strip_prefix("/api/v2")?.to_owned(),
        query: url.query_pairs().into_owned().collect(),
        key,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

fn serve(connection: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let Some(request) = read(&connection) else { return };
    let facts: Value = serde_json::from_str(include_str!("../../data/neon-api.json")).unwrap();
    let known = facts["operations"].as_array().unwrap().iter().find_map(|operation| {
        let matches = operation["method"] == *request.method;
        matches
            .then(|| parts(operation["path"].as_str().unwrap(), &request.path))
            .flatten()
            .map(|parts| (operation, parts))
    });
    let Some((operation, parts)) = known else {
        let unknown = format!("{} {} is unknown", request.method, request.path);
        shared.0.lock().unwrap().violations.push(unknown);
        return answer(connection, 404, &refusal("unknown"));
    };
    let id = operation["id"].as_str().unwrap();
    let mut violations = check_request(operation, &parts, &request);
    let (lock, changed) = shared;
    let mut state = lock.lock().unwrap();
    let refused = match () {
        () if request.key.as_deref() != Some(KEY) => Some((401, refusal("authentication failed"))),
        () if parts["project_id"] != PROJECT => Some((404, refusal("project not found"))),
        () if request.method != "GET" && state.is_busy() => {
            Some((423, refusal("project already has running operations")))
        }
        () => None,
    };
    // Only a request that would have been done can go wrong.
    let at = state.faults.iter().position(|(operation, _)| operation == id && refused.is_none());
    let fault = at.map(|at| state.faults.remove(at).1);
    if fault == Some(Fault::Hold) {
        state.held += 1;
        changed.notify_all();
        state = changed.wait_while(state, |state| !state.released).unwrap();
    }
    let (status, body) = match (refused, &fault) {
        (Some(refused), _) => refused,
        (None, Some(Fault::Answer(status))) => (*status, refusal("as it was told")),
        (None, Some(Fault::Say(status, words))) => (*status, refusal(words)),
        (None, _) => state.answer(id, &parts, &request, fault == Some(Fault::FailLater)),
    };
    if let Some(shape) = operation["answers"].get(status.to_string()).filter(|shape| shape.is_object()) {
        check(shape, &body, &format!("answer to {id}"), &mut violations);
    }
    state.violations.extend(violations);
    state.calls.push(Call { id: id.into(), path: request.path, status });
    drop(state);
    if fault == Some(Fault::LoseAnswer) {
        let _ = connection.shutdown(Shutdown::Both);
    } else {
        answer(connection, status, &body);
    }
}

fn answer(mut connection: TcpStream, status: u16, body: &Value) {
    let body = if status == 204 { String::new() } else { body.to_string() };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    // Who asked may be gone.
    let _ = write!(connection, "{head}\r\n\r\n{body}");
}

fn refusal(message: &str) -> Value {
    json!({ "code": "", "message": message, "request_id": "00000000-test" })
}

/// The values of a path's parameters, where it is such a path.
fn parts(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let mut found = BTreeMap::new();
    for (part, given) in template.iter().zip(&path) {
        match part.strip_prefix('{') {
            Some(name) => _ = found.insert(name.trim_end_matches('}').to_owned(), percent(given)),
            None if part != given => return None,
            None => {}
        }
    }
    (template.len() == path.len()).then_some(found)
}

fn percent(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn check_request(operation: &Value, parts: &BTreeMap<String, String>, request: &Request) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, shape) in operation["path_parameters"].as_object().unwrap() {
        check(shape, &parts[name].as_str().into(), name, &mut wrong);
    }
    for (name, value) in &request.query {
        match operation["query"].get(name) {
            None => wrong.push(format!("{} knows no {name}", operation["id"])),
            Some(shape) if shape["type"] == "string" => {
                check(shape, &value.as_str().into(), name, &mut wrong);
            }
            Some(shape) => {
                let value = serde_json::from_str(value).unwrap_or(Value::Null);
                check(shape, &value, name, &mut wrong);
            }
        }
    }
    for name in operation["required_query"].as_array().unwrap() {
        if !request.query.contains_key(name.as_str().unwrap()) {
            wrong.push(format!("{} needs {name}", operation["id"]));
        }
    }
    match operation.get("body") {
        Some(shape) => check(shape, &request.body, "body", &mut wrong),
        None if !request.body.is_null() => wrong.push(format!("{} takes no body", operation["id"])),
        None => {}
    }
    wrong
}

/// Compares a value with its published shape; what is not known is wrong too.
fn check(shape: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if value.is_null() && shape["nullable"] == true {
        return;
    }
    let is = match shape["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    let mut complain = |what: &str| wrong.push(format!("{at}: {what}: {value}"));
    if !is {
        return complain("of another type");
    }
    if shape["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        complain("not one of those that are allowed");
    }
    if let Some(text) = value.as_str() {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match shape["pattern"].as_str() {
            Some("^[a-z0-9-]{1,60}$") if text.is_empty() || text.len() > 60 || !text.bytes().all(plain) => {
                complain("no id");
            }
            Some("^[a-z0-9-]{1,60}$") | None => {}
            Some(other) => panic!("the pattern {other} is not known here"),
        }
        let length = |what: &str| shape[what].as_u64();
        if length("minLength").is_some_and(|least| (text.len() as u64) < least)
            || length("maxLength").is_some_and(|most| text.len() as u64 > most)
        {
            complain("of a wrong length");
        }
        if shape["format"] == "date-time" && humantime::parse_rfc3339(text).is_err() {
            complain("no moment");
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(&shape["items"], item, at, wrong);
    }
    if let (Some(fields), Some(known)) = (value.as_object(), shape["properties"].as_object()) {
        for (name, value) in fields {
            match known.get(name) {
                Some(shape) => check(shape, value, &format!("{at}.{name}"), wrong),
                None => wrong.push(format!("{at}: there is no {name}")),
            }
        }
        for name in shape["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{at}: needs {name}"));
            }
        }
    }
}

impl State {
    /// Whether something is going on; asking makes it go on.
    fn is_busy(&mut self) -> bool {
        let busy = self.operations.iter().any(|operation| operation.looks > 0);
        self.operations.iter_mut().for_each(|operation| operation.looks = operation.looks.saturating_sub(1));
        busy
    }

    fn begin(&mut self, branch: &str, actions: &[&'static str], fails: bool) -> Vec<Value> {
        let begun = actions.iter().map(|action| {
            self.made += 1;
            let id = format!("00000000-0000-0000-0000-{:012}", self.made);
            self.operations.push(Operation { id, branch: branch.into(), action, looks: LOOKS, fails });
            describe(self.operations.last().unwrap())
        });
        begun.collect()
    }

    fn branch(&self, parts: &BTreeMap<String, String>) -> Option<usize> {
        self.branches.iter().position(|branch| branch.id == parts["branch_id"])
    }

    fn answer(
        &mut self,
        id: &str,
        parts: &BTreeMap<String, String>,
        request: &Request,
        fails: bool,
    ) -> (u16, Value) {
        let at = parts.get("branch_id").map(|_| self.branch(parts));
        let gone = (404, refusal("branch not found"));
        match (id, at) {
            ("getProject", _) => {
                let version = self.branches[0].cluster.major.number();
                (200, json!({ "project": { "id": PROJECT, "name": "shop", "pg_version": version } }))
            }
            ("listProjectBranches", _) => {
                let search = request.query.get("search").cloned().unwrap_or_default();
                let found = self
                    .branches
                    .iter()
                    .filter(|branch| branch.name.contains(&search) || branch.id.contains(&search));
                (200, json!({ "branches": found.map(Branch::describe).collect::<Vec<_>>() }))
            }
            ("getProjectOperation", _) => {
                let wanted = &parts["operation_id"];
                let Some(operation) = self.operations.iter_mut().find(|operation| operation.id == *wanted)
                else {
                    return (404, refusal("operation not found"));
                };
                operation.looks = operation.looks.saturating_sub(1);
                (200, json!({ "operation": describe(operation) }))
            }
            ("createProjectBranch", _) => self.create_branch(&request.body, fails),
            ("updateProjectBranch", Some(Some(0))) => {
                self.violations.push("the default branch was to be changed".into());
                (422, refusal("no"))
            }
            ("updateProjectBranch", Some(Some(at))) => {
                let branch = &mut self.branches[at];
                if let Some(expires_at) = request.body["branch"].get("expires_at") {
                    branch.expires_at = expires_at.as_str().map(str::to_owned);
                }
                (200, json!({ "branch": branch.describe(), "operations": [] }))
            }
            ("deleteProjectBranch", Some(None)) => (204, Value::Null),
            ("deleteProjectBranch", Some(Some(0))) => {
                self.violations.push("the default branch was to be deleted".into());
                (422, refusal("cannot delete the default branch"))
            }
            ("deleteProjectBranch", Some(Some(at))) => {
                let branch = self.branches.remove(at);
                let operations = self.begin(&branch.id, &["suspend_compute", "delete_timeline"], fails);
                (200, json!({ "branch": branch.describe(), "operations": operations }))
            }
            ("listProjectBranchDatabases", Some(Some(at))) => {
                (200, json!({ "databases": self.branches[at].databases() }))
            }
            ("createProjectBranchDatabase" | "deleteProjectBranchDatabase", Some(Some(0))) => {
                self.violations.push("the default branch was to be changed".into());
                (422, refusal("no"))
            }
            ("createProjectBranchDatabase", Some(Some(at))) => {
                let database = &request.body["database"];
                let (name, owner) =
                    (database["name"].as_str().unwrap(), database["owner_name"].as_str().unwrap());
                let branch = &mut self.branches[at];
                let made = branch
                    .cluster
                    .try_psql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER \"{owner}\""));
                if let Err(said) = made {
                    return (400, refusal(&said));
                }
                branch.databases.push(name.into());
                let database = json!({ "branch_id": branch.id, "name": name, "owner_name": owner });
                let id = branch.id.clone();
                (
                    201,
                    json!({ "database": database, "operations": self.begin(&id, &["apply_config"], fails) }),
                )
            }
            ("deleteProjectBranchDatabase", Some(Some(at))) => {
                let (name, branch) = (&parts["database_name"], &mut self.branches[at]);
                branch.cluster.psql("postgres", &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
                branch.databases.retain(|database| database != name);
                let database = json!({ "branch_id": branch.id, "name": name, "owner_name": ROLE });
                let id = branch.id.clone();
                (
                    200,
                    json!({ "database": database, "operations": self.begin(&id, &["apply_config"], fails) }),
                )
            }
            ("getConnectionURI", _) => {
                let wanted = request.query.get("branch_id").map_or(MAIN, String::as_str);
                let Some(branch) = self.branches.iter().find(|branch| branch.id == wanted) else {
                    return gone;
                };
                let (database, role) = (&request.query["database_name"], &request.query["role_name"]);
                if role != ROLE || !branch.databases.contains(database) {
                    return (404, refusal("no such role or database"));
                }
                let pooled = request.query.get("pooled").is_some_and(|pooled| pooled == "true");
                let host = if pooled { "localhost" } else { "127.0.0.1" };
                let port = branch.cluster.port;
                (
                    200,
                    json!({ "uri": format!("postgresql://{ROLE}:{ROLE_PASSWORD}@{host}:{port}/{database}") }),
                )
            }
            _ => gone,
        }
    }

    fn create_branch(&mut self, body: &Value, fails: bool) -> (u16, Value) {
        self.made += 1;
        let id = format!("br-test-{:06}", self.made);
        let parent = body["branch"]["parent_id"].as_str().unwrap_or(MAIN);
        let Some(parent) = self.branches.iter().find(|branch| branch.id == parent) else {
            return (404, refusal("parent branch not found"));
        };
        let branch = Branch {
            id: id.clone(),
            name: body["branch"]["name"].as_str().unwrap_or(&id).to_owned(),
            expires_at: body["branch"]["expires_at"].as_str().map(str::to_owned),
            cluster: Arc::new(copy(&parent.cluster)),
            databases: parent.databases.clone(),
        };
        let host = format!("ep-test-{:06}.test", self.made);
        let endpoint = json!({ "host": host, "id": host[..14], "branch_id": id, "type": "read_write" });
        let role =
            |name: &str, protected: bool| json!({ "branch_id": id, "name": name, "protected": protected });
        let answer = json!({
            "branch": branch.describe(), "endpoints": [endpoint], "databases": branch.databases(),
            "roles": [role(ROLE, false), role("web_anon", true)],
            "operations": self.begin(&id, &["create_branch", "start_compute"], fails),
        });
        self.branches.push(branch);
        (201, answer)
    }
}

impl Branch {
    fn describe(&self) -> Value {
        let mut all = json!({
            "id": self.id, "project_id": PROJECT, "name": self.name, "default": self.id == MAIN, "protected": false,
        });
        if let Some(expires_at) = &self.expires_at {
            all["expires_at"] = expires_at.as_str().into();
        }
        all
    }

    fn databases(&self) -> Vec<Value> {
        let describe = |name: &String| json!({ "branch_id": self.id, "name": name, "owner_name": ROLE });
        self.databases.iter().map(describe).collect()
    }
}

fn describe(operation: &Operation) -> Value {
    let status = match (operation.looks, operation.fails) {
        (0, true) => "failed",
        (0, false) => "finished",
        (LOOKS, _) => "scheduling",
        _ => "running",
    };
    let (id, branch, action) = (&operation.id, &operation.branch, operation.action);
    json!({ "id": id, "project_id": PROJECT, "branch_id": branch, "action": action, "status": status })
}

/// Another cluster with all that the one has.
fn copy(from: &Cluster) -> Cluster {
    let to = Cluster::start(from.major);
    let mut dump = from.client("pg_dumpall").stdout(Stdio::piped()).spawn().unwrap();
    let mut psql = to.client("psql");
    psql.args(["-Xq", "-d", "postgres"]).stdin(dump.stdout.take().unwrap()).stdout(Stdio::null());
    // The superuser is there already, which psql says and passes over.
    assert!(psql.stderr(Stdio::null()).status().unwrap().success() && dump.wait().unwrap().success());
    to.psql("postgres", &format!("ALTER ROLE {USER} PASSWORD '{PASSWORD}'"));
    to
}
