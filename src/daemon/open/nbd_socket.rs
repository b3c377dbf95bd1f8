//! Real sockets for the driver `nbd`.
//!
//! QEMU: `socket_connect` (util/qemu-sockets.c).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use blockjob_block::driver::nbd::{
    ByteStream, Connecting, PackedStream, PackedTransport, Transport,
};
use blockjob_block::{BlockError, BlockResult, ErrorKind};
use blockjob_runtime::AioContext;
use blockjob_runtime::io::Async;

use crate::qapi::types::sockets::{InetSocketAddress, SocketAddress, SocketAddressKind};
use crate::sockets;

/// A name with its end must fit into `sockaddr_un`.
const PATH_MAX_BYTES: usize = 108;

/// Connects to one address, as often as it is asked to.
pub(super) struct Socket {
    context: AioContext,
    address: SocketAddress,
}

impl Socket {
    pub(super) fn new(context: &AioContext, address: SocketAddress) -> Socket {
        Socket {
            context: context.clone(),
            address,
        }
    }
}

impl Transport for Socket {
    fn connect(&self) -> Connecting {
        let context = self.context.clone();
        match &self.address.u {
            SocketAddressKind::Unix(unix) => {
                let path = unix.path.clone();
                Box::pin(connect_unix(path))
            }
            SocketAddressKind::Inet(inet) => {
                let address = InetSocketAddress::clone(inet);
                Box::pin(connect_inet(context, address))
            }
            _ => Box::pin(async {
                let text = "The driver 'nbd' does not take an open socket";
                Err(BlockError::new(ErrorKind::Invalid, text))
            }),
        }
    }

    fn pack(&self) -> Option<Box<dyn PackedTransport>> {
        Some(Box::new(Address(self.address.clone())))
    }

    fn pack_stream(&self, stream: Box<dyn ByteStream>) -> Option<Box<dyn PackedStream>> {
        let stream = match stream.into_any().downcast::<Async<UnixStream>>() {
            Ok(unix) => return Some(Box::new(Plug(unix.into_inner()))),
            Err(other) => other,
        };
        let inet = stream.downcast::<Async<TcpStream>>().ok()?;
        Some(Box::new(Plug(inet.into_inner())))
    }
}

/// Where the server is, for a client in another context.
struct Address(SocketAddress);

impl PackedTransport for Address {
    fn unpack(self: Box<Self>, context: &AioContext) -> Box<dyn Transport> {
        Box::new(Socket::new(context, self.0))
    }
}

/// An open socket that no context watches.
struct Plug<T>(T);

impl<T: AsFd + Send + 'static> PackedStream for Plug<T>
where
    Async<T>: ByteStream,
{
    fn unpack(self: Box<Self>, _context: &AioContext) -> BlockResult<Box<dyn ByteStream>> {
        let stream = Async::new(self.0);
        let failed = |error| BlockError::from_io(&error, "Failed to take the connection along");
        Ok(Box::new(stream.map_err(failed)?))
    }
}

async fn connect_unix(path: String) -> BlockResult<Box<dyn ByteStream>> {
    if path.len() >= PATH_MAX_BYTES {
        let text = format!("UNIX socket path '{path}' is too long");
        let error = BlockError::new(ErrorKind::Invalid, text);
        return Err(error.with_hint(format!("Path must be less than {PATH_MAX_BYTES} bytes")));
    }
    let stream = sockets::connect_unix(&path).await;
    let failed = |error: io::Error| failed_to_connect(&path, &error);
    Ok(Box::new(stream.map_err(failed)?))
}

fn failed_to_connect(address: &str, error: &io::Error) -> BlockError {
    // An empty name is one that nobody listens on, and not one that cannot be.
    let errno = match (address, error.raw_os_error()) {
        ("", _) => rustix::io::Errno::CONNREFUSED.raw_os_error(),
        (_, Some(errno)) => errno,
        (_, None) => {
            return BlockError::from_io(error, format!("Failed to connect to '{address}'"));
        }
    };
    BlockError::from_errno(errno, format!("Failed to connect to '{address}'"))
}

async fn connect_inet(
    context: AioContext,
    address: InetSocketAddress,
) -> BlockResult<Box<dyn ByteStream>> {
    let name = format!("{}:{}", address.host, address.port);
    let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in resolve(&context, &address).await? {
        result = sockets::connect_inet(address).await;
        if result.is_ok() {
            break;
        }
    }
    let stream = result.map_err(|error| failed_to_connect(&name, &error))?;
    // Requests must not wait for more of them.
    let _ = stream.get_ref().set_nodelay(true);
    if address.keep_alive == Some(true) {
        rustix::net::sockopt::set_socket_keepalive(stream.get_ref(), true).map_err(|errno| {
            BlockError::from_errno(errno.raw_os_error(), "Unable to set KEEPALIVE")
        })?;
    }
    Ok(Box::new(stream))
}

/// The addresses of a machine, in the order in which they are tried. Asking for a name may block, so a
/// thread does.
///
/// QEMU: `inet_parse_connect_saddr` (util/qemu-sockets.c).
async fn resolve(
    context: &AioContext,
    address: &InetSocketAddress,
) -> BlockResult<Vec<SocketAddr>> {
    let InetSocketAddress { host, port, .. } = address.clone();
    let failed = |host: &str, port: &str, why: &str| {
        let text = format!("address resolution failed for {host}:{port}: {why}");
        BlockError::new(ErrorKind::NotFound, text)
    };
    let Ok(number) = port.parse::<u16>() else {
        return Err(failed(
            &host,
            &port,
            "Servname not supported for ai_socktype",
        ));
    };
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, number)],
        Err(_) if address.numeric == Some(true) => {
            return Err(failed(&host, &port, "Name or service not known"));
        }
        Err(_) => {
            let asked = host.clone();
            let ask = move || (&*asked, number).to_socket_addrs().map(Vec::from_iter);
            match context.spawn_blocking(ask).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    // Rust puts its own words before those of the resolver.
                    let text = error.to_string();
                    let why = text.rsplit(": ").next().unwrap_or_default();
                    return Err(failed(&host, &port, why));
                }
                Err(_) => return Err(failed(&host, &port, "the program ends")),
            }
        }
    };
    let unwanted = |wanted: Option<bool>, other: Option<bool>| {
        wanted == Some(false) || (wanted.is_none() && other == Some(true))
    };
    let wanted = |found: &SocketAddr| match found {
        SocketAddr::V4(_) => !unwanted(address.ipv4, address.ipv6),
        SocketAddr::V6(_) => !unwanted(address.ipv6, address.ipv4),
    };
    Ok(found.into_iter().filter(wanted).collect())
}
