use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::{
    ArgumentName, GroundSkill, ModelError, PolicySkill, Predicate, Relation, Scalar, SkillKind,
    SkillManifest, Template, Term, Until, WorldState,
};

/// Skills whose manifests were checked, by id.
#[derive(Debug, Default)]
pub struct SkillRegistry {
    skills: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    manifest: SkillManifest,
    validator: jsonschema::Validator,
}

impl SkillRegistry {
    /// Checks manifests and takes them in. Messages name a manifest by its id.
    ///
    /// # Errors
    /// The first fault: see [`Self::add`].
    pub fn new(manifests: impl IntoIterator<Item = SkillManifest>) -> Result<Self, ModelError> {
        let mut registry = Self::default();
        for manifest in manifests {
            let file = manifest.id.clone();
            registry.add(manifest, &file)?;
        }
        Ok(registry)
    }

    /// Loads each `*.skill.yaml` of a folder, in order of their names.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or a manifest is wrong.
    pub fn load_dir(dir: &Path) -> Result<Self, ModelError> {
        let mut registry = Self::default();
        registry.add_dir(dir)?;
        Ok(registry)
    }

    /// Takes in each `*.skill.yaml` of a folder, in order of their names.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or a manifest is wrong; those before it are in.
    pub fn add_dir(&mut self, dir: &Path) -> Result<(), ModelError> {
        let read = |source| ModelError::Read { file: dir.into(), source };
        let mut files = std::fs::read_dir(dir)
            .map_err(read)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(read)?;
        files.retain(|file| file.to_string_lossy().ends_with(".skill.yaml"));
        files.sort();
        self.add_files(&files)
    }

    /// Loads manifest files.
    ///
    /// # Errors
    /// A file cannot be read, or a manifest is wrong.
    pub fn load_files<P: AsRef<Path>>(files: &[P]) -> Result<Self, ModelError> {
        let mut registry = Self::default();
        registry.add_files(files)?;
        Ok(registry)
    }

    fn add_files<P: AsRef<Path>>(&mut self, files: &[P]) -> Result<(), ModelError> {
        for file in files {
            let manifest = SkillManifest::from_file(file.as_ref())?;
            self.add(manifest, &file.as_ref().display().to_string())?;
        }
        Ok(())
    }

    /// Checks a manifest and takes it in; `file` is for messages.
    ///
    /// # Errors
    /// [`ModelError::Field`]: a second skill of this id; a schema of arguments that is none or that a
    /// planner cannot read; a predicate on an argument that is not in the schema; an effect that
    /// cannot be set; a post-condition that does not follow; times that make no sense; a pausable
    /// skill without groups; a policy whose inputs no argument can give.
    pub fn add(&mut self, manifest: SkillManifest, file: &str) -> Result<(), ModelError> {
        let checker = Checker { file, manifest: &manifest };
        if self.skills.contains_key(&manifest.id) {
            return Err(checker.error("id", &manifest.id, "used by two skills", "a unique id"));
        }
        let validator = checker.check()?;
        self.skills.insert(manifest.id.clone(), Entry { manifest, validator });
        Ok(())
    }

    /// The skill of an id.
    ///
    /// # Errors
    /// [`ModelError::UnknownSkill`] with the ids that exist.
    pub fn get(&self, id: &str) -> Result<&SkillManifest, ModelError> {
        self.entry(id).map(|entry| &entry.manifest)
    }

    fn entry(&self, id: &str) -> Result<&Entry, ModelError> {
        self.skills.get(id).ok_or_else(|| ModelError::UnknownSkill {
            skill: id.into(),
            known: self.skills.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// All skills, by id.
    pub fn iter(&self) -> impl Iterator<Item = &SkillManifest> {
        self.skills.values().map(|entry| &entry.manifest)
    }

    /// How many skills there are.
    pub fn len(&self) -> usize {
        self.skills.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.skills.is_empty()
    }

    /// Checks arguments from outside by the skill's schema.
    ///
    /// # Errors
    /// Unknown skill, or [`ModelError::Arguments`] with the value and what is allowed.
    pub fn check_args(&self, id: &str, args: &Value) -> Result<(), ModelError> {
        self.entry(id)?.validator.validate(args).map_err(|error| ModelError::Arguments {
            skill: id.into(),
            path: error.instance_path().to_string(),
            reason: error.to_string(),
        })
    }

    /// Checks arguments from outside by schema and world, and puts them in.
    ///
    /// # Errors
    /// Unknown skill, arguments that do not fit, an object that the world does not hold.
    pub fn ground(
        &self,
        id: &str,
        args: &Value,
        world: &WorldState,
    ) -> Result<GroundSkill, ModelError> {
        self.check_args(id, args)?;
        let manifest = self.get(id)?;
        manifest.check_references(args, world)?;
        manifest.ground(args)
    }
}

/// Checks one manifest; each message names file, field, value and what is allowed.
struct Checker<'a> {
    file: &'a str,
    manifest: &'a SkillManifest,
}

impl Checker<'_> {
    fn error(&self, field: &str, value: &str, reason: &str, allowed: &str) -> ModelError {
        ModelError::Field {
            file: self.file.into(),
            field: field.into(),
            value: value.into(),
            reason: reason.into(),
            allowed: allowed.into(),
        }
    }

    fn check(&self) -> Result<jsonschema::Validator, ModelError> {
        let m = self.manifest;
        let id_ok = m.id.starts_with(|c: char| c.is_ascii_lowercase())
            && m.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !id_ok {
            let allowed = "a-z, 0-9 and _, a letter first";
            return Err(self.error("id", &m.id, "is no id", allowed));
        }
        if m.description.trim().is_empty() {
            return Err(self.error("description", "", "is empty", "what the skill does, in words"));
        }
        for (field, value) in [("cost_s", m.cost_s), ("time_limit_s", m.time_limit_s)] {
            if !(value.is_finite() && value > 0.0) {
                let allowed = "a finite number above 0";
                return Err(self.error(field, &value.to_string(), "is no duration", allowed));
            }
        }
        if m.time_limit_s < m.cost_s {
            return Err(self.error(
                "time_limit_s",
                &m.time_limit_s.to_string(),
                "less than the typical duration",
                &format!("at least cost_s = {}", m.cost_s),
            ));
        }
        if m.pausable && m.groups.is_empty() {
            let reason = "a skill without groups has nothing that could be taken from it";
            return Err(self.error("pausable", "true", reason, "false, or at least one group"));
        }
        let validator = self.check_args()?;
        self.check_templates()?;
        self.check_postconditions()?;
        if let SkillKind::Policy(policy) = &m.kind {
            self.check_policy(policy)?;
        }
        Ok(validator)
    }

    fn check_policy(&self, policy: &PolicySkill) -> Result<(), ModelError> {
        let m = self.manifest;
        if policy.policies.is_empty() {
            let allowed = "one at least";
            return Err(self.error("kind.policy.policies", "[]", "runs nothing", allowed));
        }
        if m.groups.is_empty() {
            let allowed = "the groups that the policy commands";
            return Err(self.error("groups", "[]", "a policy moves something", allowed));
        }
        if policy.until == Until::Postconditions && m.postconditions.is_empty() {
            let reason = "there are none";
            let allowed = "{elapsed_s: SECONDS}, canceled, or post-conditions";
            return Err(self.error("kind.policy.until", "postconditions", reason, allowed));
        }
        for (field, scalar) in policy.scalars() {
            let Scalar::Number(number) = scalar else { continue };
            let is_input = field.contains(".inputs.");
            if !number.is_finite() || (*number < 0.0 && !is_input) {
                let allowed =
                    if is_input { "a finite number" } else { "a finite number, not below 0" };
                return Err(self.error(&field, &number.to_string(), "cannot be", allowed));
            }
        }
        if let Until::ElapsedS(Scalar::Number(seconds)) = policy.until
            && seconds > m.time_limit_s
        {
            let field = "kind.policy.until.elapsed_s";
            let allowed = format!("up to time_limit_s = {}", m.time_limit_s);
            return Err(self.error(field, &seconds.to_string(), "is never reached", &allowed));
        }
        if policy.policies.iter().all(|part| part.weight == Scalar::Number(0.0)) {
            let field = "kind.policy.policies[0].weight";
            return Err(self.error(field, "0", "no policy counts", "one weight above 0"));
        }
        let backgrounds = policy.policies.iter().position(|part| part.background);
        if let Some(index) = backgrounds.filter(|_| policy.policies.len() > 1) {
            let field = format!("kind.policy.policies[{index}].background");
            let allowed = "false, or a policy that is alone";
            return Err(self.error(
                &field,
                "true",
                "a blend runs all its networks in step",
                allowed,
            ));
        }
        for (field, argument) in policy.number_arguments() {
            let is_number =
                |schema: &Value| matches!(schema["type"].as_str(), Some("number" | "integer"));
            self.check_argument(&field, argument, "of type number or integer", is_number)?;
        }
        for (field, argument) in policy.object_arguments() {
            let is_object = |schema: &Value| {
                matches!(schema["format"].as_str(), Some("object-id" | "place-id"))
            };
            self.check_argument(&field, argument, "of format object-id or place-id", is_object)?;
        }
        Ok(())
    }

    /// An argument that a policy needs is one that fits, and that each call gives or has a default for.
    fn check_argument(
        &self,
        field: &str,
        argument: &ArgumentName,
        kind: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<(), ModelError> {
        let name = argument.name();
        let text = argument.to_string();
        let is_given =
            |schema: &Value| self.manifest.is_required(name) || schema.get("default").is_some();
        let property = self.manifest.properties().find(|(known, _)| *known == name);
        let reason = match property {
            None => "is not in args.properties".to_owned(),
            Some((_, schema)) if !fits(schema) => format!("is not {kind}"),
            Some((_, schema)) if !is_given(schema) => "may be left out of a call".to_owned(),
            Some(_) => return Ok(()),
        };
        let allowed = format!("an argument {kind} that is required or has a default");
        Err(self.error(field, &text, &reason, &allowed))
    }

    fn check_args(&self) -> Result<jsonschema::Validator, ModelError> {
        let args = &self.manifest.args;
        let kind = args.get("type").and_then(Value::as_str).unwrap_or("none");
        if kind != "object" {
            return Err(self.error("args.type", kind, "arguments have names", "object"));
        }
        if args.get("additionalProperties") != Some(&Value::Bool(false)) {
            let given = args.get("additionalProperties").map_or("none".into(), Value::to_string);
            let reason = "unknown arguments would pass unseen";
            return Err(self.error("args.additionalProperties", &given, reason, "false"));
        }
        for (name, property) in self.manifest.properties() {
            let Some(format) = property.get("format") else { continue };
            if !matches!(format.as_str(), Some("object-id" | "place-id")) {
                return Err(self.error(
                    &format!("args.properties.{name}.format"),
                    &format.to_string(),
                    "planners cannot ground it",
                    "object-id, place-id",
                ));
            }
        }
        jsonschema::validator_for(args).map_err(|error| {
            let field = format!("args{}", error.instance_path());
            self.error(
                &field,
                &error.instance().to_string(),
                &error.to_string(),
                "JSON Schema 2020-12",
            )
        })
    }

    fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let m = self.manifest;
        [
            ("preconditions", &m.preconditions),
            ("hold_conditions", &m.hold_conditions),
            ("postconditions", &m.postconditions),
            ("effects.add", &m.effects.add),
            ("effects.remove", &m.effects.remove),
        ]
        .into_iter()
        .flat_map(|(field, templates)| templates.iter().map(move |template| (field, template)))
    }

    fn check_templates(&self) -> Result<(), ModelError> {
        let names: Vec<_> = self.manifest.properties().map(|(name, _)| name).collect();
        for (field, template) in self.templates() {
            let text = template.to_string();
            for argument in template.arguments() {
                if !names.contains(&argument) {
                    let reason = format!("`${argument}` is not in args.properties");
                    let allowed = names.iter().map(|n| format!("${n}")).collect::<Vec<_>>();
                    let allowed = format!("{}, $any", allowed.join(", "));
                    return Err(self.error(
                        field,
                        &text,
                        &reason,
                        allowed.trim_start_matches(", "),
                    ));
                }
                if !self.manifest.is_required(argument) {
                    let reason = format!("`{argument}` may be left out of a call");
                    let allowed = "arguments listed in args.required";
                    return Err(self.error(field, &text, &reason, allowed));
                }
            }
            if let Template::ByArgument { relation_arg, terms, .. } = template {
                self.check_relation_arg(field, &text, relation_arg, terms.len())?;
            }
            if field.starts_with("effects") {
                self.check_effect(field, template)?;
            }
            if field == "preconditions"
                && let Template::Fixed(predicate) = template
                && let (true, _, terms) = predicate.parts()
                && terms.contains(&&Term::Any)
            {
                let reason = "planners cannot choose which";
                return Err(self.error(field, &text, reason, "an id, an argument, or `not`"));
            }
        }
        Ok(())
    }

    /// An argument that names a relation must say which: an enum of relations that fit.
    fn check_relation_arg(
        &self,
        field: &str,
        text: &str,
        argument: &str,
        arity: usize,
    ) -> Result<(), ModelError> {
        let fitting = Relation::ALL.into_iter().filter(|r| r.arity() == arity && !r.is_derived());
        let allowed = fitting.map(Relation::name).collect::<Vec<_>>();
        let property = self.manifest.properties().find(|(name, _)| *name == argument);
        let values = property.and_then(|(_, p)| p.get("enum")).and_then(Value::as_array);
        let fits = values.is_some_and(|values| {
            values.iter().all(|v| v.as_str().is_some_and(|name| allowed.contains(&name)))
        });
        if fits {
            return Ok(());
        }
        let reason = format!("`{argument}` needs an enum of predicates with {arity} arguments");
        Err(self.error(field, text, &reason, &allowed.join(", ")))
    }

    fn check_effect(&self, field: &str, template: &Template) -> Result<(), ModelError> {
        let text = template.to_string();
        let (affirmed, any) = match template {
            Template::Fixed(predicate) => {
                let (affirmed, relation, terms) = predicate.parts();
                if relation.is_derived() {
                    let allowed = match relation {
                        Relation::HandEmpty => "holding(...)",
                        _ => "on(...)",
                    };
                    return Err(self.error(field, &text, "follows from other facts", allowed));
                }
                (affirmed, terms.contains(&&Term::Any))
            }
            Template::ByArgument { affirmed, terms, .. } => (*affirmed, terms.contains(&Term::Any)),
        };
        if !affirmed {
            let allowed = "the fact itself under effects.remove";
            return Err(self.error(field, &text, "an effect has no `not`", allowed));
        }
        if any && field == "effects.add" {
            let reason = "`$any` says not which";
            return Err(self.error(field, &text, reason, "an id or an argument"));
        }
        Ok(())
    }

    /// Each post-condition must follow from the effects, or from a pre-condition that they leave.
    fn check_postconditions(&self) -> Result<(), ModelError> {
        let effects = &self.manifest.effects;
        let removes = |relation: Relation, terms: &[&Term]| {
            effects.remove.iter().any(|template| match template {
                Template::Fixed(predicate) => {
                    let (_, own, own_terms) = predicate.parts();
                    own == relation
                        && own_terms.iter().zip(terms).all(|(a, b)| **a == Term::Any || a == b)
                }
                Template::ByArgument { .. } => false,
            })
        };
        // It may become true by an effect on some arguments.
        let may_add = |relation: Relation| {
            effects.add.iter().any(|template| match template {
                Template::Fixed(predicate) => predicate.relation() == relation,
                Template::ByArgument { terms, .. } => terms.len() == relation.arity(),
            })
        };
        for template in &self.manifest.postconditions {
            let kept = self.manifest.preconditions.contains(template);
            let follows = match template {
                Template::ByArgument { .. } => effects.add.contains(template),
                Template::Fixed(Predicate::HandEmpty) => {
                    let removed = removes(Relation::Holding, &[&Term::Any])
                        || effects.remove.iter().any(|effect| {
                            matches!(effect, Template::Fixed(Predicate::Holding { .. }))
                                && self.manifest.preconditions.contains(effect)
                        });
                    !may_add(Relation::Holding) && (removed || kept)
                }
                Template::Fixed(Predicate::Clear { .. }) => kept && !may_add(Relation::On),
                Template::Fixed(predicate) => {
                    let (affirmed, relation, terms) = predicate.parts();
                    if affirmed {
                        effects.add.contains(template) || (kept && !removes(relation, &terms))
                    } else {
                        (removes(relation, &terms) || kept) && !may_add(relation)
                    }
                }
            };
            if !follows {
                let reason = "does not follow from the effects";
                let allowed =
                    "what effects add, `not` what they remove, or a pre-condition they leave";
                return Err(self.error("postconditions", &template.to_string(), reason, allowed));
            }
        }
        Ok(())
    }
}
