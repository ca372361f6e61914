/* calls.c - system calls as the kernel has them
 *
 * musl's ways to them are for threads that can be cancelled, for kernels of twenty years ago, and for clocks that are read without a
 * call: 5 KB of which nothing is needed here. There is one thread, the kernel is Linux 5.3 or later, and a structure is laid out as
 * the kernel has it on x86-64, aarch64 and all later 64-bit machines. With any other C library its own are left alone. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef __GLIBC__

enum { KERNEL_SIGSET_SIZE = 8 };

/* --- processes --- */

pid_t
fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* What a signal does by itself, or nothing: a handler would need a way back, and there is none. */
int
sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old)
{
	struct {
		void (*handler)(int);
		unsigned long flags, restorer, mask;
	} new = { SIG_DFL, 0, 0, 0 }, before = new;

	if (action) {
		new.handler = action->sa_handler;
		if (new.handler != SIG_DFL && new.handler != SIG_IGN) {
			errno = EINVAL;
			return -1;
		}
	}
	if (syscall(SYS_rt_sigaction, number, action ? &new : NULL, &before, KERNEL_SIGSET_SIZE))
		return -1;
	if (old) {
		memset(old, 0, sizeof(*old));
		old->sa_handler = before.handler;
	}
	return 0;
}

int
sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict facts, const struct timespec *restrict timeout)
{
	return (int)syscall(SYS_rt_sigtimedwait, set, facts, timeout, KERNEL_SIGSET_SIZE);
}

void (*
signal(int number, void (*handler)(int)))(int)
{
	struct sigaction action = { .sa_handler = handler }, old;

	return sigaction(number, &action, &old) ? SIG_ERR : old.sa_handler;
}

int
getrlimit(int resource, struct rlimit *limit)
{
	return (int)syscall(SYS_prlimit64, 0, resource, NULL, limit);
}

int
setrlimit(int resource, const struct rlimit *limit)
{
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

/* --- time and memory --- */

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	return (int)syscall(SYS_clock_gettime, clock, time);
}

int
nanosleep(const struct timespec *time, struct timespec *left)
{
	return (int)syscall(SYS_nanosleep, time, left);
}

void *
mmap(void *place, size_t size, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, place, size, protection, flags, fd, offset);
}

/* --- files --- */

int
openat(int dir, const char *path, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	mode_t mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	mode_t mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int
fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	long argument = va_arg(arguments, long);
	va_end(arguments);
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

int
dup3(int fd, int place, int flags)
{
	return (int)syscall(SYS_dup3, fd, place, flags);
}

int
pipe2(int ends[2], int flags)
{
	return (int)syscall(SYS_pipe2, ends, flags);
}

int
fstatat(int dir, const char *restrict path, struct stat *restrict stat, int flags)
{
	return (int)syscall(SYS_newfstatat, dir, path, stat, flags);
}

int
stat(const char *restrict path, struct stat *restrict stat)
{
	return fstatat(AT_FDCWD, path, stat, 0);
}

int
lstat(const char *restrict path, struct stat *restrict stat)
{
	return fstatat(AT_FDCWD, path, stat, AT_SYMLINK_NOFOLLOW);
}

int
fstat(int fd, struct stat *stat)
{
	return (int)syscall(SYS_fstat, fd, stat);
}

int
fchdir(int fd)
{
	return (int)syscall(SYS_fchdir, fd);
}

int
fchmod(int fd, mode_t mode)
{
	return (int)syscall(SYS_fchmod, fd, mode);
}

/* By a link to what it leads to: the kernel knows no other way before Linux 6.6. */
int
fchmodat(int dir, const char *path, mode_t mode, int flags)
{
	return flags ? (errno = EOPNOTSUPP, -1) : (int)syscall(SYS_fchmodat, dir, path, mode);
}

int
isatty(int fd)
{
	struct winsize size;

	return !syscall(SYS_ioctl, fd, TIOCGWINSZ, &size);
}

ssize_t
readlinkat(int dir, const char *restrict path, char *restrict text, size_t size)
{
	return syscall(SYS_readlinkat, dir, path, text, size);
}

ssize_t
readlink(const char *restrict path, char *restrict text, size_t size)
{
	return readlinkat(AT_FDCWD, path, text, size);
}

int
statfs(const char *path, struct statfs *facts)
{
	return (int)syscall(SYS_statfs, path, facts);
}

int
fstatfs(int fd, struct statfs *facts)
{
	return (int)syscall(SYS_fstatfs, fd, facts);
}

/* --- sockets and what waits --- */

int
socket(int family, int type, int protocol)
{
	return (int)syscall(SYS_socket, family, type, protocol);
}

int
socketpair(int family, int type, int protocol, int ends[2])
{
	return (int)syscall(SYS_socketpair, family, type, protocol, ends);
}

int
accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len, int flags)
{
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

/* The lengths in a header, and in a control message, are longer for the kernel: what is between has to be zero. */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	return syscall(SYS_recvmsg, fd, message, flags);
}

int
signalfd(int fd, const sigset_t *set, int flags)
{
	return (int)syscall(SYS_signalfd4, fd, set, KERNEL_SIGSET_SIZE, flags);
}

/* The kernel takes from the time what has passed. */
int
ppoll(struct pollfd *fds, nfds_t len, const struct timespec *timeout, const sigset_t *set)
{
	struct timespec left = timeout ? *timeout : (struct timespec){ 0, 0 };

	return (int)syscall(SYS_ppoll, fds, len, timeout ? &left : NULL, set, KERNEL_SIGSET_SIZE);
}

int
epoll_create1(int flags)
{
	return (int)syscall(SYS_epoll_create1, flags);
}

int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int
epoll_wait(int epoll, struct epoll_event *events, int len, int timeout)
{
	return (int)syscall(SYS_epoll_pwait, epoll, events, len, timeout, NULL, KERNEL_SIGSET_SIZE);
}

#endif
