//! The system's end of a connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use tokio::io::Interest;

/// The system's end of a connection. It never blocks.
#[derive(Debug)]
pub(in crate::driver::redis) enum Socket {
    Tcp(std::net::TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Nothing more goes out or comes in.
    pub(super) fn shut_down(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Both),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&mut &*socket).read(bytes),
            Socket::Unix(socket) => (&mut &*socket).read(bytes),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => (&mut &*socket).write(bytes),
            Socket::Unix(socket) => (&mut &*socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A socket's second name, by which the pool's thread waits for it.
pub(super) enum Waiter {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Waiter {
    pub(super) fn of(socket: &Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Waiter::Tcp(socket.try_clone()?.try_into()?),
            Socket::Unix(socket) => Waiter::Unix(socket.try_clone()?.try_into()?),
        })
    }

    /// Waits until something has come, or the other end has gone.
    pub(super) async fn readable(&self) -> io::Result<()> {
        // What is told once counts as read.
        let none = || io::Result::<()>::Err(ErrorKind::WouldBlock.into());
        let told = match self {
            Waiter::Tcp(socket) => {
                socket.readable().await?;
                socket.try_io(Interest::READABLE, none)
            }
            Waiter::Unix(socket) => {
                socket.readable().await?;
                socket.try_io(Interest::READABLE, none)
            }
        };
        told.or(Ok(()))
    }

    /// Waits until something can be sent, and does `send`; that fails with `WouldBlock` where the system takes no more.
    pub(super) async fn send<T>(&self, send: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Waiter::Tcp(socket) => {
                socket.writable().await?;
                socket.try_io(Interest::WRITABLE, send)
            }
            Waiter::Unix(socket) => {
                socket.writable().await?;
                socket.try_io(Interest::WRITABLE, send)
            }
        }
    }
}
