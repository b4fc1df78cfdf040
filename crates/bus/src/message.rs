//! The bounds that a type must meet to travel on the bus. All are blanket-implemented for generated
//! types; nobody implements them by hand.

use std::fmt::Debug;

use hiroz::{MessageTypeInfo, ServiceTypeInfo, TypeInfo, action::ZAction, msg::ZService};
use serde::{Serialize, de::DeserializeOwned};

/// What every carrier can move: cloned in-process, as CDR elsewhere.
pub trait Wire:
    Clone + Debug + Default + Send + Sync + Serialize + DeserializeOwned + 'static
{
}

impl<T> Wire for T where
    T: Clone + Debug + Default + Send + Sync + Serialize + DeserializeOwned + 'static
{
}

/// A ROS 2 message: a [`Wire`] type that knows its type name and RIHS01 hash.
pub trait Message: Wire + MessageTypeInfo {}

impl<T: Wire + MessageTypeInfo> Message for T {}

/// A ROS 2 service, e.g. `sinew_msgs::srv::AcquireLease`.
pub trait Service: Send + Sync + 'static {
    /// What the client sends.
    type Request: Message;
    /// What the server answers.
    type Response: Message;

    /// Name and hash of the service type.
    fn type_info() -> TypeInfo;
}

impl<T> Service for T
where
    T: ZService + ServiceTypeInfo + Send + Sync + 'static,
    <T as ZService>::Request: Message,
    <T as ZService>::Response: Message,
{
    type Request = <T as ZService>::Request;
    type Response = <T as ZService>::Response;

    fn type_info() -> TypeInfo {
        T::service_type_info()
    }
}

/// A ROS 2 action, e.g. `sinew_msgs::action::ExecuteSkill`.
pub trait Action: ZAction {
    /// What the client asks for.
    type Goal: Message;
    /// What the server ends with.
    type Result: Message;
    /// What the server reports on the way.
    type Feedback: Message;
}

impl<T> Action for T
where
    T: ZAction,
    <T as ZAction>::Goal: Message,
    <T as ZAction>::Result: Message,
    <T as ZAction>::Feedback: Message,
{
    type Goal = <T as ZAction>::Goal;
    type Result = <T as ZAction>::Result;
    type Feedback = <T as ZAction>::Feedback;
}
