//! Who looks up the names of those that are called over HTTP.

use std::net::SocketAddr;
#[cfg(test)]
use std::{net::IpAddr, sync::Arc};

use super::http::Error;
use super::resolve::Resolver;

/// Who looks names up.
#[derive(Clone)]
pub(super) enum Names {
    System,
    Resolver(Box<Resolver>),
    #[cfg(test)]
    These(These),
}

#[cfg(test)]
pub(super) type These = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

impl Names {
    /// The addresses of a name, each with this port.
    ///
    /// # Errors
    /// [`Error::NoSuchName`].
    pub(super) async fn of(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let at = |address| SocketAddr::new(address, port);
        match self {
            Names::System => {
                let found = tokio::net::lookup_host((name, port)).await.map_err(|_| Error::NoSuchName)?;
                Ok(found.take(32).collect())
            }
            Names::Resolver(resolver) => {
                let found = resolver.addresses(name).await.map_err(|_| Error::NoSuchName)?;
                Ok(found.into_iter().map(at).collect())
            }
            #[cfg(test)]
            Names::These(names) => Ok(names(name).into_iter().map(at).collect()),
        }
    }
}
