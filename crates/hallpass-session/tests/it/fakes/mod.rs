//! Fakes of the four ports.

mod authorizer;
mod clock;
mod gate;
mod server;
mod store;

pub(crate) use self::{
    authorizer::FakeAuthorizer,
    clock::TestClock,
    gate::Gate,
    server::{Fault, ISSUER, OTHER_ISSUER, Server},
    store::TestStore,
};
