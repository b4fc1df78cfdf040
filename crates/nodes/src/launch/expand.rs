use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::LaunchError;
pub use super::file::Output;
use super::file::{Action, Environment, Executable, Include, LaunchFile, Node, Parameter, Remap};
use super::substitute::{Scope, scalar_text};

/// What a launch file starts, with every substitution made, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchDescription {
    /// Nodes of this package.
    pub nodes: Vec<NodeLaunch>,
    /// Anything else.
    pub processes: Vec<ProcessLaunch>,
    /// What the outermost file lets its user set.
    pub arguments: Vec<DeclaredArgument>,
    /// Every launch and parameter file that was read.
    pub files: Vec<PathBuf>,
}

/// An `arg` of a launch file.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredArgument {
    /// Its name.
    pub name: String,
    /// Its value in this expansion: what was given, or the default.
    pub value: String,
    /// What the file says of it.
    pub description: String,
}

/// One node of package `sinew`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLaunch {
    /// Its name on the graph.
    pub name: String,
    /// Absolute, `/` where there is none.
    pub namespace: String,
    /// The arguments of `sinew`: `node hardware`.
    pub args: Vec<String>,
    /// By name.
    pub parameters: Map<String, Value>,
    /// From and to.
    pub remaps: Vec<(String, String)>,
    /// Added to the environment; only where the node is a process of its own.
    pub environment: Vec<(String, String)>,
    /// Where its lines go.
    pub output: Output,
}

/// A program that is not a node of this package.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessLaunch {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Added to the environment.
    pub environment: Vec<(String, String)>,
    /// Where its lines go.
    pub output: Output,
}

/// Reads `file` and all it includes, with `arguments` given as name and value, and `share` the
/// folder that `$(find-pkg-share sinew)` stands for.
///
/// # Errors
/// Names the file, the action and field, what was wrong and what is allowed.
pub fn expand(
    file: &Path,
    arguments: &[(String, String)],
    share: &Path,
) -> Result<LaunchDescription, LaunchError> {
    let mut expansion = Expansion { share, open: Vec::new(), made: LaunchDescription::default() };
    let given = arguments.iter().cloned().collect();
    expansion.file(file, &given, &mut BTreeMap::new(), &mut "/".into())?;
    Ok(expansion.made)
}

struct Expansion<'a> {
    share: &'a Path,
    /// Files being read, outermost first.
    open: Vec<PathBuf>,
    made: LaunchDescription,
}

/// What an action is read in.
struct Context<'a> {
    file: &'a Path,
    folder: &'a Path,
    given: &'a BTreeMap<String, String>,
    declared: Vec<String>,
}

impl Expansion<'_> {
    fn file(
        &mut self,
        path: &Path,
        given: &BTreeMap<String, String>,
        variables: &mut BTreeMap<String, String>,
        namespace: &mut String,
    ) -> Result<(), LaunchError> {
        let read = |source| LaunchError::Read { file: path.into(), source };
        let path = path.canonicalize().map_err(read)?;
        if self.open.contains(&path) {
            return Err(LaunchError::IncludeLoop { file: path });
        }
        let text = std::fs::read_to_string(&path).map_err(read)?;
        let parsed: LaunchFile = serde_saphyr::from_str(&text).map_err(|error| {
            LaunchError::Format { file: path.clone(), message: error.to_string() }
        })?;
        self.made.files.push(path.clone());
        self.open.push(path.clone());
        let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        let mut context = Context { file: &path, folder: &folder, given, declared: Vec::new() };
        self.actions(&parsed.launch, &mut context, variables, namespace)?;
        if let Some(name) = given.keys().find(|name| !context.declared.contains(name)) {
            let (name, declared) = (name.clone(), context.declared.join(", "));
            return Err(LaunchError::UnknownArgument { file: path, name, declared });
        }
        self.open.pop();
        Ok(())
    }

    fn actions(
        &mut self,
        actions: &[Action],
        context: &mut Context<'_>,
        variables: &mut BTreeMap<String, String>,
        namespace: &mut String,
    ) -> Result<(), LaunchError> {
        for action in actions {
            match action {
                Action::Arg(argument) => {
                    let field = format!("arg `{}`", argument.name);
                    context.declared.push(argument.name.clone());
                    // Before its default an argument takes what the including file calls by its name.
                    let set = context.given.get(&argument.name).or(variables.get(&argument.name));
                    let value = match (set, &argument.default) {
                        (Some(set), _) => set.clone(),
                        (None, Some(default)) => {
                            self.scalar(context, variables, &format!("{field}: default"), default)?
                        }
                        (None, None) => {
                            return Err(LaunchError::MissingArgument {
                                file: context.file.into(),
                                name: argument.name.clone(),
                            });
                        }
                    };
                    if self.open.len() == 1 {
                        self.made.arguments.push(DeclaredArgument {
                            name: argument.name.clone(),
                            value: value.clone(),
                            description: argument.description.clone(),
                        });
                    }
                    variables.insert(argument.name.clone(), value);
                }
                Action::Let(let_) => {
                    let field = format!("let `{}`", let_.name);
                    if self.wanted(context, variables, &field, &let_.if_, &let_.unless)? {
                        let value = self.scalar(context, variables, &field, &let_.value)?;
                        variables.insert(let_.name.clone(), value);
                    }
                }
                Action::Include(include) => self.include(include, context, variables, namespace)?,
                // A group is a scope: what it sets is forgotten behind it. An included file is none.
                Action::Group(inner) => {
                    let (mut variables, mut namespace) = (variables.clone(), namespace.clone());
                    self.actions(inner, context, &mut variables, &mut namespace)?;
                }
                Action::PushRosNamespace(push) => {
                    let field = "push_ros_namespace";
                    if self.wanted(context, variables, field, &push.if_, &push.unless)? {
                        let pushed = self.text(context, variables, field, &push.namespace)?;
                        *namespace = joined(namespace, &pushed);
                    }
                }
                Action::Node(node) => self.node(node, context, variables, namespace)?,
                Action::Executable(executable) => {
                    self.executable(executable, context, variables)?
                }
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        include: &Include,
        context: &Context<'_>,
        variables: &mut BTreeMap<String, String>,
        namespace: &mut String,
    ) -> Result<(), LaunchError> {
        let field = format!("include `{}`", include.file);
        if !self.wanted(context, variables, &field, &include.if_, &include.unless)? {
            return Ok(());
        }
        let file = context.folder.join(self.text(context, variables, &field, &include.file)?);
        let mut given = BTreeMap::new();
        for argument in &include.arg {
            let field = format!("{field}: arg `{}`", argument.name);
            let value = self.scalar(context, variables, &field, &argument.value)?;
            given.insert(argument.name.clone(), value);
        }
        self.file(&file, &given, variables, namespace)
    }

    fn node(
        &mut self,
        node: &Node,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        namespace: &str,
    ) -> Result<(), LaunchError> {
        let field = format!("node `{}`", node.name);
        if !self.wanted(context, variables, &field, &node.if_, &node.unless)? {
            return Ok(());
        }
        for (key, value) in [("pkg", &node.pkg), ("exec", &node.exec)] {
            if value != "sinew" {
                return Err(LaunchError::Value {
                    file: context.file.into(),
                    field: format!("{field}: {key}"),
                    reason: format!(
                        "`{value}` is not allowed here (allowed: sinew; start other programs with \
                         `executable`)"
                    ),
                });
            }
        }
        let name = self.text(context, variables, &format!("{field}: name"), &node.name)?;
        let own = self.text(context, variables, &format!("{field}: namespace"), &node.namespace)?;
        let args = self.text(context, variables, &format!("{field}: args"), &node.args)?;
        let mut remaps = Vec::new();
        for Remap { from, to } in &node.remap {
            let field = format!("{field}: remap");
            remaps.push((
                self.text(context, variables, &field, from)?,
                self.text(context, variables, &field, to)?,
            ));
        }
        let namespace = joined(namespace, &own);
        let full_name = joined(&namespace, &name);
        let parameters = self.parameters(node, context, variables, &field, &full_name)?;
        let environment = self.environment(&node.env, context, variables, &field)?;
        self.made.nodes.push(NodeLaunch {
            parameters,
            environment,
            namespace,
            args: args.split_whitespace().map(Into::into).collect(),
            output: node.output.unwrap_or(Output::Log),
            name,
            remaps,
        });
        Ok(())
    }

    fn parameters(
        &mut self,
        node: &Node,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        field: &str,
        full_name: &str,
    ) -> Result<Map<String, Value>, LaunchError> {
        let mut made = Map::new();
        for Parameter { name, value, from } in &node.param {
            match (name, value, from) {
                (Some(name), Some(value), None) => {
                    let field = format!("{field}: param `{name}`");
                    let value =
                        self.scope(context, variables).resolve_value(value).map_err(|reason| {
                            substitution(context.file, &field, &value.to_string(), reason)
                        })?;
                    made.insert(name.clone(), value);
                }
                (None, None, Some(from)) => {
                    let field = format!("{field}: param from");
                    let path = context.folder.join(self.text(context, variables, &field, from)?);
                    made.extend(crate::arguments::parameter_file(&path, full_name)?);
                    self.made.files.push(path);
                }
                _ => {
                    return Err(LaunchError::Value {
                        file: context.file.into(),
                        field: format!("{field}: param"),
                        reason: "wants either `name` and `value`, or `from`".into(),
                    });
                }
            }
        }
        Ok(made)
    }

    fn executable(
        &mut self,
        executable: &Executable,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), LaunchError> {
        let field = format!("executable `{}`", executable.cmd);
        if !self.wanted(context, variables, &field, &executable.if_, &executable.unless)? {
            return Ok(());
        }
        let cmd = self.text(context, variables, &field, &executable.cmd)?;
        // As ROS 2's launch splits it.
        let command = shlex::split(&cmd).filter(|command| !command.is_empty());
        let Some(command) = command else {
            return Err(LaunchError::Value {
                file: context.file.into(),
                field: "executable: cmd".into(),
                reason: format!(
                    "is `{cmd}`; wants a program and its arguments, as a shell splits them"
                ),
            });
        };
        let environment = self.environment(&executable.env, context, variables, &field)?;
        let output = executable.output.unwrap_or(Output::Log);
        self.made.processes.push(ProcessLaunch { command, environment, output });
        Ok(())
    }

    fn environment(
        &self,
        listed: &[Environment],
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        field: &str,
    ) -> Result<Vec<(String, String)>, LaunchError> {
        listed
            .iter()
            .map(|entry| {
                let field = format!("{field}: env `{}`", entry.name);
                Ok((entry.name.clone(), self.scalar(context, variables, &field, &entry.value)?))
            })
            .collect()
    }

    fn wanted(
        &self,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        field: &str,
        if_: &Option<Value>,
        unless: &Option<Value>,
    ) -> Result<bool, LaunchError> {
        let holds = |condition: &Option<Value>, key: &str| match condition {
            None => Ok(None),
            Some(value) => {
                let field = format!("{field}: {key}");
                let text = self.scalar(context, variables, &field, value)?;
                match text.to_lowercase().as_str() {
                    "true" | "1" => Ok(Some(true)),
                    "false" | "0" => Ok(Some(false)),
                    _ => Err(LaunchError::Value {
                        file: context.file.into(),
                        field,
                        reason: format!(
                            "`{text}` is not a truth value (allowed: true, false, 1, 0)"
                        ),
                    }),
                }
            }
        };
        match (holds(if_, "if")?, holds(unless, "unless")?) {
            (Some(_), Some(_)) => Err(LaunchError::Value {
                file: context.file.into(),
                field: field.into(),
                reason: "has both `if` and `unless`; one is allowed".into(),
            }),
            (Some(wanted), None) => Ok(wanted),
            (None, Some(unwanted)) => Ok(!unwanted),
            (None, None) => Ok(true),
        }
    }

    fn scope<'s>(
        &'s self,
        context: &'s Context<'_>,
        variables: &'s BTreeMap<String, String>,
    ) -> Scope<'s> {
        Scope { variables, folder: context.folder, share: self.share }
    }

    fn text(
        &self,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        field: &str,
        text: &str,
    ) -> Result<String, LaunchError> {
        let resolved = self.scope(context, variables).resolve(text);
        resolved.map_err(|reason| substitution(context.file, field, text, reason))
    }

    fn scalar(
        &self,
        context: &Context<'_>,
        variables: &BTreeMap<String, String>,
        field: &str,
        value: &Value,
    ) -> Result<String, LaunchError> {
        match scalar_text(value) {
            Some(text) => self.text(context, variables, field, &text),
            None => Err(LaunchError::Value {
                file: context.file.into(),
                field: field.into(),
                reason: format!("{value} is not allowed (allowed: text, number, true or false)"),
            }),
        }
    }
}

fn substitution(file: &Path, field: &str, text: &str, reason: String) -> LaunchError {
    LaunchError::Substitution { file: file.into(), field: field.into(), text: text.into(), reason }
}

/// `inner` below `outer`, or by itself when it is absolute.
fn joined(outer: &str, inner: &str) -> String {
    match inner {
        "" => outer.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("{}/{relative}", outer.trim_end_matches('/')),
    }
}
