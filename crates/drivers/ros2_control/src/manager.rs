//! What is asked of the controller manager, and what its answers mean.

use std::collections::BTreeSet;
use std::time::Duration;

use sinew_bus::{BusError, BusNode, Call, ServiceClient, names::ServiceName};
use sinew_msgs::controller_manager_msgs::srv::{ListControllers, SwitchController};
use sinew_msgs::controller_manager_msgs::{
    ControllerState, ListControllersRequest, ListControllersResponse, SwitchControllerRequest,
    SwitchControllerResponse,
};
use sinew_msgs::convert::duration_msg;

use crate::error::{Ros2ControlError, list};
use crate::plan::{ControllerPlan, Plan, Takes};

/// How long the controller manager may take to switch.
pub(crate) const SWITCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients of the controller manager.
pub(crate) struct Manager {
    pub(crate) list: ServiceClient<ListControllers>,
    pub(crate) switch: ServiceClient<SwitchController>,
}

/// What is done of a switch of which a part cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    AllOrNothing,
    AsCanBe,
}

/// What an activation changed, to be changed back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Claim {
    /// Controllers of ours that were not active before.
    pub(crate) activated: Vec<String>,
    /// Controllers of others that were.
    pub(crate) deactivated: Vec<String>,
}

impl Manager {
    pub(crate) fn open(node: &BusNode, plan: &Plan) -> Result<Self, BusError> {
        let name = |service: &str| format!("{}/{service}", plan.config.controller_manager);
        Ok(Self {
            list: node.service_client(&ServiceName::named(name("list_controllers")))?,
            switch: node.service_client(&ServiceName::named(name("switch_controller")))?,
        })
    }

    pub(crate) fn ask_list(&self) -> Call<ListControllersResponse> {
        self.list.call(&ListControllersRequest::default())
    }

    pub(crate) fn ask_switch(
        &self,
        activate: &[String],
        deactivate: &[String],
        strictness: Strictness,
    ) -> Call<SwitchControllerResponse> {
        self.switch.call(&SwitchControllerRequest {
            activate_controllers: activate.to_vec(),
            deactivate_controllers: deactivate.to_vec(),
            strictness: match strictness {
                Strictness::AllOrNothing => SwitchControllerRequest::STRICT,
                Strictness::AsCanBe => SwitchControllerRequest::BEST_EFFORT,
            },
            activate_asap: true,
            timeout: duration_msg(SWITCH_TIMEOUT),
        })
    }
}

fn is_active(controller: &ControllerState) -> bool {
    controller.state == "active"
}

/// Names of all our controllers.
pub(crate) fn names(plan: &Plan) -> Vec<String> {
    plan.controllers.iter().map(|controller| controller.name.clone()).collect()
}

/// Our controllers that are not active.
pub(crate) fn not_active(plan: &Plan, listed: &[ControllerState]) -> Vec<String> {
    without_active(&names(plan), listed)
}

fn without_active(names: &[String], listed: &[ControllerState]) -> Vec<String> {
    let is = |name: &&String| listed.iter().any(|one| one.name == **name && is_active(one));
    names.iter().filter(|name| !is(name)).cloned().collect()
}

/// Checks that each controller is there, of a fitting type, ready to be activated, and of the group's joints.
pub(crate) fn check(plan: &Plan, listed: &[ControllerState]) -> Result<(), Ros2ControlError> {
    for controller in &plan.controllers {
        let error = |what, actual: String, allowed: String| Ros2ControlError::Controller {
            group: controller.group.clone(),
            controller: controller.name.clone(),
            what,
            actual,
            allowed,
        };
        let Some(found) = listed.iter().find(|listed| listed.name == controller.name) else {
            let others = list(listed.iter().map(|l| format!("{} ({})", l.name, l.r#type)));
            return Err(error("the controller", "not loaded".to_owned(), others));
        };
        let types = controller.takes.controller_types();
        if !types.contains(&found.r#type.as_str()) {
            return Err(error("its type", format!("`{}`", found.r#type), list(types)));
        }
        if !["inactive", "active"].contains(&found.state.as_str()) {
            let allowed = "inactive, active: `ros2 control set_controller_state` configures it";
            return Err(error("its state", found.state.clone(), allowed.to_owned()));
        }
        check_joints(controller, found).map_err(|(actual, allowed)| {
            error("the list of its command interfaces", actual, allowed)
        })?;
    }
    Ok(())
}

/// What is wrong with the joints that a controller commands, and what is allowed.
fn check_joints(
    controller: &ControllerPlan,
    found: &ControllerState,
) -> Result<(), (String, String)> {
    let interfaces = &found.required_command_interfaces;
    if interfaces.is_empty() {
        // It does not tell.
        return Ok(());
    }
    match controller.takes {
        // Values have no names: in another order they would move other joints.
        Takes::Values(interface) => {
            let expected = controller.axes.iter();
            let expected: Vec<String> =
                expected.map(|axis| format!("{}/{}", axis.name, interface.as_str())).collect();
            // A controller in front of it is named first: `CONTROLLER/JOINT/INTERFACE`.
            let fits = |actual: &String, expected: &String| {
                actual == expected || actual.ends_with(&format!("/{expected}"))
            };
            let is_same = interfaces.len() == expected.len()
                && interfaces
                    .iter()
                    .zip(&expected)
                    .all(|(actual, expected)| fits(actual, expected));
            if is_same {
                Ok(())
            } else {
                Err((list(interfaces), format!("{}, in this order", list(&expected))))
            }
        }
        Takes::Trajectory(_) => {
            let joint_of = |interface: &String| -> Option<String> {
                interface.rsplit('/').nth(1).map(str::to_owned)
            };
            let actual: BTreeSet<String> = interfaces.iter().filter_map(joint_of).collect();
            let expected: BTreeSet<String> =
                controller.axes.iter().map(|axis| axis.name.clone()).collect();
            if actual == expected {
                Ok(())
            } else {
                Err((list(interfaces), format!("those of the joints {}", list(&expected))))
            }
        }
        // How many wheels there are is the controller's business.
        Takes::Twist => Ok(()),
    }
}

/// What has to be switched so that all our controllers are active: others that claim what ours need are not.
pub(crate) fn to_claim(plan: &Plan, listed: &[ControllerState]) -> Claim {
    claim_of(&names(plan), listed)
}

fn claim_of(names: &[String], listed: &[ControllerState]) -> Claim {
    let is_ours = |name: &str| names.iter().any(|ours| ours == name);
    let ours = listed.iter().filter(|listed| is_ours(&listed.name));
    let needed: BTreeSet<&str> =
        ours.flat_map(|listed| &listed.required_command_interfaces).map(String::as_str).collect();
    let others: Vec<&ControllerState> =
        listed.iter().filter(|listed| is_active(listed) && !is_ours(&listed.name)).collect();
    let mut deactivated: Vec<String> = Vec::new();
    loop {
        // A controller in front of one that goes, or of one of ours, goes with it: it claims `CONTROLLER/…`.
        let is_in_front = |interface: &str| {
            let Some((name, _)) = interface.split_once('/') else { return false };
            let goes = is_ours(name) || deactivated.iter().any(|other| other == name);
            goes && listed.iter().any(|listed| listed.name == name && listed.is_chainable)
        };
        let next = others.iter().find(|other| {
            !deactivated.contains(&other.name)
                && other
                    .claimed_interfaces
                    .iter()
                    .any(|claimed| needed.contains(claimed.as_str()) || is_in_front(claimed))
        });
        match next {
            Some(next) => deactivated.push(next.name.clone()),
            None => break,
        }
    }
    Claim { activated: without_active(names, listed), deactivated }
}

/// What of a claim is still as it was made, and so is to be changed back: nothing if none of our controllers is active
/// any more, for then somebody else has decided about the robot since.
pub(crate) fn to_hand_back(claim: &Claim, listed: &[ControllerState]) -> Claim {
    let with_state = |names: &[String], wanted: bool| -> Vec<String> {
        let has = |name: &&String| {
            listed.iter().any(|listed| {
                listed.name == **name
                    && if wanted { is_active(listed) } else { listed.state == "inactive" }
            })
        };
        names.iter().filter(has).cloned().collect()
    };
    let activated = with_state(&claim.activated, true);
    if activated.is_empty() && !claim.activated.is_empty() {
        return Claim::default();
    }
    Claim { activated, deactivated: with_state(&claim.deactivated, false) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listed(name: &str, state: &str, interfaces: &[&str]) -> ControllerState {
        let interfaces: Vec<String> = interfaces.iter().map(|one| (*one).to_owned()).collect();
        ControllerState {
            name: name.to_owned(),
            state: state.to_owned(),
            claimed_interfaces: if state == "active" { interfaces.clone() } else { Vec::new() },
            required_command_interfaces: interfaces,
            ..ControllerState::default()
        }
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_controller_in_front_of_one_that_goes_goes_with_it() {
        let mut pid = listed("pid", "active", &["wheel/velocity"]);
        pid.is_chainable = true;
        let all = [
            listed("ours", "inactive", &["wheel/velocity"]),
            listed("navigator", "active", &["driver/twist"]),
            {
                let mut driver = listed("driver", "active", &["pid/wheel/velocity"]);
                driver.is_chainable = true;
                driver
            },
            pid,
            listed("other", "active", &["arm/position"]),
            // A joint that is called as a controller is not in front of it.
            listed("arm", "active", &["ours/position"]),
        ];
        let claim = claim_of(&owned(&["ours"]), &all);
        assert_eq!(claim.activated, ["ours"]);
        assert_eq!(claim.deactivated, ["pid", "driver", "navigator"]);
    }

    #[test]
    fn what_somebody_else_has_switched_since_is_not_handed_back() {
        let claim =
            Claim { activated: owned(&["a", "b"]), deactivated: owned(&["theirs", "unloaded"]) };
        let state = |a: &str, b: &str, theirs: &str| {
            [listed("a", a, &[]), listed("b", b, &[]), listed("theirs", theirs, &[])]
        };
        let back = |listed: &[ControllerState]| to_hand_back(&claim, listed);
        let untouched = back(&state("active", "active", "inactive"));
        assert_eq!(
            (untouched.activated, untouched.deactivated),
            (owned(&["a", "b"]), owned(&["theirs"]))
        );
        let one_gone = back(&state("active", "inactive", "inactive"));
        assert_eq!(one_gone.activated, ["a"]);
        assert_eq!(back(&state("inactive", "inactive", "inactive")), Claim::default());
        assert_eq!(back(&state("active", "active", "active")).deactivated, [""; 0]);
    }
}
