//! A runner of GitHub Actions, as far as our workflows need one: it runs the steps of a job in order, those of our own
//! action too, with `bash -eo pipefail`, on this machine or in a Debian root.

use super::root::Root;
use super::{get, yaml};
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What stands for expressions: `secrets.DATABASE_URL`, `github.run_id`, `inputs.args`. What is not there is empty.
pub type Expressions = BTreeMap<String, String>;

/// A machine for one job.
pub struct Runner {
    folder: PathBuf,
    root: Option<Root>,
    _folder: Option<TempDir>,
}

/// Where a runner in a root has its files.
const HOME: &str = "/home/runner";

impl Runner {
    /// This machine, with a folder of its own.
    pub fn new() -> Runner {
        let folder = TempDir::new().unwrap();
        Runner { folder: folder.path().to_owned(), root: None, _folder: Some(folder) }.prepared()
    }

    /// A machine that has nothing but Debian.
    pub fn bare(root: Root) -> Runner {
        Runner { folder: root.at(HOME), root: Some(root), _folder: None }.prepared()
    }

    fn prepared(self) -> Runner {
        std::fs::create_dir_all(self.file("temp")).unwrap();
        std::fs::write(self.file("path"), "").unwrap();
        self
    }

    /// One of its files, as seen from here.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as its programs name it.
    pub fn inside(&self, name: &str) -> String {
        let folder = if self.root.is_some() { Path::new(HOME) } else { &self.folder };
        folder.join(name).to_str().unwrap().to_owned()
    }

    /// Its root, if it has one.
    pub fn root(&self) -> &Root {
        self.root.as_ref().unwrap()
    }

    /// Runs one step's script with these variables.
    pub fn run(&self, step: &Value, env: &[(&str, &str)]) -> Output {
        let script = self.file("script.sh");
        let run_id = Expressions::from([("github.run_id".to_owned(), "4711".to_owned())]);
        std::fs::write(&script, expanded(step["run"].as_str().unwrap(), &run_id)).unwrap();
        let words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"];
        // As the runner does: the script is a file, and the folder is the workspace.
        let line = format!("cd {} && exec bash --noprofile --norc -eo pipefail script.sh", self.inside(""));
        let added = std::fs::read_to_string(self.file("path")).unwrap().trim().replace('\n', ":");
        let (mut command, usual) = match &self.root {
            Some(root) => {
                (root.command(&[&words[..], &[&line]].concat()), "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())
            }
            None => {
                let mut command = Command::new("bash");
                command.args(&words[1..]).arg(&line).env_clear();
                let bin = Path::new(env!("CARGO_BIN_EXE_pgstow")).parent().unwrap();
                (command, format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
            }
        };
        command.env("PATH", format!("{added}:{usual}")).env("RUNNER_TEMP", self.inside("temp"));
        command.env("GITHUB_PATH", self.inside("path")).env("HOME", self.inside(""));
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", self.inside("summary.md"));
        command.envs(env.iter().copied()).output().unwrap()
    }

    /// Runs a job's steps; ours in full, and of others' actions none. What they printed; the first that fails ends it.
    pub fn play(
        &self,
        steps: &[Value],
        values: &Expressions,
        env: &[(&str, &str)],
    ) -> Result<String, String> {
        let mut all = String::new();
        for step in steps {
            let uses = step["uses"].as_str().unwrap_or_default();
            if uses.starts_with("OWNER/pgstow@") {
                all += &self.play_action(&step["with"], values)?;
            } else if uses.is_empty() {
                all += &self.play_step(step, values, env)?;
            }
        }
        Ok(all)
    }

    /// Runs our action with these inputs; a value named `inputs.…` stands for the user's line.
    fn play_action(&self, with: &Value, values: &Expressions) -> Result<String, String> {
        let action = yaml("action.yml");
        let mut inputs = Expressions::new();
        for (name, input) in action["inputs"].as_mapping().unwrap() {
            let name = name.as_str().unwrap();
            let text = with[name].as_str().or(input["default"].as_str()).unwrap_or_default();
            inputs.insert(format!("inputs.{name}"), expanded(text, values));
        }
        inputs.extend(values.clone());
        let mut all = String::new();
        for step in get(&action, "runs/steps").as_sequence().unwrap() {
            let asked = step["if"].as_str().map(|when| when.trim_end_matches(" != ''"));
            if asked.is_none_or(|input| inputs.get(input).is_some_and(|value| !value.is_empty())) {
                all += &self.play_step(step, &inputs, &[])?;
            }
        }
        Ok(all)
    }

    fn play_step(
        &self,
        step: &Value,
        values: &Expressions,
        yours: &[(&str, &str)],
    ) -> Result<String, String> {
        let mut env = BTreeMap::new();
        for (name, value) in step["env"].as_mapping().into_iter().flatten() {
            env.insert(name.as_str().unwrap(), expanded(value.as_str().unwrap(), values));
        }
        // The user's lines: a variable that the step sets has their value.
        for (name, value) in yours {
            env.entry(name).and_modify(|old| (*value).clone_into(old));
        }
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = self.run(step, &env);
        let all = super::github::said(&output);
        if output.status.success() {
            Ok(all)
        } else {
            Err(format!("{}: {all}", step["name"].as_str().unwrap_or("?")))
        }
    }
}

/// A text with its expressions replaced.
fn expanded(text: &str, values: &Expressions) -> String {
    let mut parts = text.split("${{ ");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |done, part| {
        let (name, rest) = part.split_once(" }}").unwrap();
        let value = values.get(name).map_or("", String::as_str);
        done + value + rest
    })
}
