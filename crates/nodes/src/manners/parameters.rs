//! The parameter services that every ROS 2 node has.

use std::collections::{BTreeMap, BTreeSet};

use sinew_bus::{BusError, BusNode, Publisher, ServiceServer, names};
use sinew_msgs::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters,
    SetParametersAtomically,
};
use sinew_msgs::rcl_interfaces::{
    DescribeParametersResponse, GetParameterTypesResponse, GetParametersResponse,
    ListParametersRequest, ListParametersResponse, ListParametersResult, Parameter,
    ParameterDescriptor, ParameterEvent, ParameterType, SetParametersAtomicallyResponse,
    SetParametersResponse, SetParametersResult,
};

use super::declared::{Declared, type_name};
use super::{serve, wall_stamp};
use crate::node::Node;

/// Shows what a node runs with, and sets what it lets be set.
pub(super) struct ParameterServer {
    node: String,
    /// With the namespace, as events tell it.
    full_name: String,
    declared: BTreeMap<String, Declared>,
    list: ServiceServer<ListParameters>,
    describe: ServiceServer<DescribeParameters>,
    get: ServiceServer<GetParameters>,
    get_types: ServiceServer<GetParameterTypes>,
    set: ServiceServer<SetParameters>,
    set_atomically: ServiceServer<SetParametersAtomically>,
    events: Publisher<ParameterEvent>,
}

impl ParameterServer {
    pub(super) fn new(
        node: &BusNode,
        declared: BTreeMap<String, Declared>,
    ) -> Result<Self, BusError> {
        let made = Self {
            node: node.name().to_owned(),
            full_name: format!("{}/{}", node.namespace().trim_end_matches('/'), node.name()),
            list: node.service_server(&names::LIST_PARAMETERS)?,
            describe: node.service_server(&names::DESCRIBE_PARAMETERS)?,
            get: node.service_server(&names::GET_PARAMETERS)?,
            get_types: node.service_server(&names::GET_PARAMETER_TYPES)?,
            set: node.service_server(&names::SET_PARAMETERS)?,
            set_atomically: node.service_server(&names::SET_PARAMETERS_ATOMICALLY)?,
            events: node.publisher(&names::PARAMETER_EVENTS)?,
            declared,
        };
        let new_parameters = made.declared.iter().map(|(name, declared)| Parameter {
            name: name.clone(),
            value: declared.value.clone(),
        });
        made.tell(ParameterEvent {
            new_parameters: new_parameters.collect(),
            ..ParameterEvent::default()
        });
        Ok(made)
    }

    /// Answers what was asked.
    pub(super) fn step(&mut self, node: &mut dyn Node) {
        let declared = &self.declared;
        serve(&self.node, &self.list, |request| ListParametersResponse {
            result: list(declared.keys(), request),
        });
        serve(&self.node, &self.describe, |request| DescribeParametersResponse {
            descriptors: request.names.iter().map(|name| describe(declared, name)).collect(),
        });
        // As their definition says: one value for each name, of a type that says so where there is none.
        serve(&self.node, &self.get, |request| GetParametersResponse {
            values: request
                .names
                .iter()
                .map(|name| declared.get(name).map(|d| d.value.clone()).unwrap_or_default())
                .collect(),
        });
        serve(&self.node, &self.get_types, |request| {
            let of = |name| declared.get(name).map_or(NOT_SET, |d| d.value.r#type);
            let types: Vec<u8> = request.names.iter().map(of).collect();
            GetParameterTypesResponse { types: types.into() }
        });
        while let Some(request) = self.set.take_request() {
            let parameters = &request.request().parameters;
            let results = parameters.iter().map(|one| self.set(node, std::slice::from_ref(one)));
            let results = results.map(result).collect();
            super::sent(&self.node, request.respond(SetParametersResponse { results }));
        }
        while let Some(request) = self.set_atomically.take_request() {
            let result = result(self.set(node, &request.request().parameters));
            super::sent(&self.node, request.respond(SetParametersAtomicallyResponse { result }));
        }
    }

    /// Sets all of these, or none.
    fn set(&mut self, node: &mut dyn Node, parameters: &[Parameter]) -> Result<(), String> {
        for parameter in parameters {
            check(&self.declared, parameter)?;
        }
        node.set_parameters(parameters)?;
        for Parameter { name, value } in parameters {
            if let Some(declared) = self.declared.get_mut(name) {
                declared.value = value.clone();
            }
            tracing::info!(node = self.node, parameter = name, "set");
        }
        self.tell(ParameterEvent {
            changed_parameters: parameters.to_vec(),
            ..ParameterEvent::default()
        });
        Ok(())
    }

    fn tell(&self, event: ParameterEvent) {
        let event = ParameterEvent { stamp: wall_stamp(), node: self.full_name.clone(), ..event };
        super::sent(&self.node, self.events.publish(&event));
    }
}

const NOT_SET: u8 = ParameterType::PARAMETER_NOT_SET;

fn result(set: Result<(), String>) -> SetParametersResult {
    match set {
        Ok(()) => SetParametersResult { successful: true, reason: String::new() },
        Err(reason) => SetParametersResult { successful: false, reason },
    }
}

/// Whether a parameter may be set to a value of this type at all.
fn check(declared: &BTreeMap<String, Declared>, parameter: &Parameter) -> Result<(), String> {
    let Parameter { name, value } = parameter;
    let Some(Declared { descriptor, .. }) = declared.get(name) else {
        let known: Vec<_> = declared.keys().map(String::as_str).collect();
        return Err(format!("`{name}` is not declared; declared: {}", known.join(", ")));
    };
    if descriptor.read_only {
        return Err(format!(
            "`{name}` is read-only while the node is active: start it with another value"
        ));
    }
    if value.r#type != descriptor.r#type {
        let (got, wanted) = (type_name(value.r#type), type_name(descriptor.r#type));
        return Err(format!("`{name}`: type {got}; allowed: {wanted}"));
    }
    Ok(())
}

fn describe(declared: &BTreeMap<String, Declared>, name: &str) -> ParameterDescriptor {
    declared.get(name).map_or_else(
        || ParameterDescriptor { name: name.to_owned(), ..ParameterDescriptor::default() },
        |declared| declared.descriptor.clone(),
    )
}

/// As rclcpp lists them: `depth` counts the parts of a name behind the prefix, 0 is any.
fn list<'a>(
    all: impl Iterator<Item = &'a String>,
    request: &ListParametersRequest,
) -> ListParametersResult {
    let is_within = |rest: &str| {
        let parts = u64::try_from(rest.matches('.').count()).unwrap_or(u64::MAX);
        request.depth == ListParametersRequest::DEPTH_RECURSIVE || parts < request.depth
    };
    let is_asked = |name: &str| {
        let behind = |prefix: &String| name.strip_prefix(prefix.as_str())?.strip_prefix('.');
        match request.prefixes.is_empty() {
            true => is_within(name),
            false => request
                .prefixes
                .iter()
                .any(|prefix| name == prefix || behind(prefix).is_some_and(is_within)),
        }
    };
    let names: Vec<String> = all.filter(|name| is_asked(name)).cloned().collect();
    let prefixes: BTreeSet<_> = names.iter().filter_map(|name| name.rsplit_once('.')).collect();
    let prefixes: BTreeSet<String> =
        prefixes.into_iter().map(|(prefix, _)| prefix.to_owned()).collect();
    ListParametersResult { names, prefixes: prefixes.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(prefixes: &[&str], depth: u64) -> (Vec<String>, Vec<String>) {
        let all = ["a", "b.c", "b.d.e", "bb"].map(str::to_owned);
        let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let result = list(all.iter(), &ListParametersRequest { prefixes, depth });
        (result.names, result.prefixes)
    }

    #[test]
    fn names_are_listed_by_prefix_and_depth_as_rclcpp_does() {
        assert_eq!(listed(&[], 0).0, ["a", "b.c", "b.d.e", "bb"]);
        assert_eq!(listed(&[], 0).1, ["b", "b.d"]);
        assert_eq!(listed(&[], 1).0, ["a", "bb"]);
        assert_eq!(listed(&[], 2).0, ["a", "b.c", "bb"]);
        assert_eq!(listed(&["b"], 0).0, ["b.c", "b.d.e"]);
        assert_eq!(listed(&["b"], 1).0, ["b.c"]);
        assert_eq!(listed(&["a", "b.d"], 1).0, ["a", "b.d.e"]);
        assert!(listed(&["c"], 0).0.is_empty());
    }
}
