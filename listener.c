/* listener.c - opens listening sockets: TCP by address, unix by path, or systemd's. Runs with the privileges of start-up. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"

enum { BACKLOG = 4096, FIRST_PASSED = 3 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static int
complain(const char *what, const char *reason)
{
	fprintf(stderr, "opensandbox: cannot listen on %s: %s\n", what, reason);
	return -1;
}

static int
add(struct listeners *listeners, int fd, bool is_unix)
{
	if (listeners->len == LISTENERS_MAX) {
		close(fd);
		return complain("so many addresses", "at most 16");
	}
	listeners->is_unix[listeners->len] = is_unix;
	listeners->fds[listeners->len++] = fd;
	return 0;
}

static bool
is_loopback(const union address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->in.sin_addr.s_addr) >> 24 == 127;
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
	return true;
}

static int
listen_on(struct listeners *listeners, const union address *address, socklen_t len, const char *name)
{
	int on = 1, family = address->any.sa_family;

	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return complain(name, strerror(errno));
	if (family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &address->any, len) || listen(fd, BACKLOG)) {
		int error = errno;
		close(fd);
		errno = error;
		return complain(name, strerror(error));
	}
	if (!is_loopback(address))
		listeners->beyond_loopback = true;
	return add(listeners, fd, family == AF_UNIX);
}

/* Without an address: both loopbacks, on the same port. A host without IPv6 has one. */
static int
listen_loopback(struct listeners *listeners, uint16_t port)
{
	union address v4 = { .in = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } } };
	union address v6 = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	socklen_t len = sizeof(v4.in);

	if (listen_on(listeners, &v4, sizeof(v4.in), "127.0.0.1"))
		return -1;
	if (getsockname(listeners->fds[listeners->len - 1], &v4.any, &len))
		return complain("127.0.0.1", strerror(errno));
	v6.in6.sin6_port = v4.in.sin_port;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &v6.any, sizeof(v6.in6)) || listen(fd, BACKLOG)) {
		close(fd);
		return 0;
	}
	return add(listeners, fd, false);
}

static int
listen_tcp(struct listeners *listeners, const char *text, uint16_t port)
{
	union address address;
	char host[64];
	size_t len = strlen(text);

	memset(&address, 0, sizeof(address));
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']' && len - 2 < sizeof(host)) {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
	} else if (len < sizeof(host)) {
		memcpy(host, text, len + 1);
	} else {
		return complain(text, "not an address");
	}
	if (inet_pton(AF_INET, host, &address.in.sin_addr) == 1) {
		address.in.sin_family = AF_INET;
		address.in.sin_port = htons(port);
		return listen_on(listeners, &address, sizeof(address.in), text);
	}
	if (inet_pton(AF_INET6, host, &address.in6.sin6_addr) == 1) {
		address.in6.sin6_family = AF_INET6;
		address.in6.sin6_port = htons(port);
		return listen_on(listeners, &address, sizeof(address.in6), text);
	}
	return complain(text, "not an IPv4 or IPv6 address, nor unix:PATH");
}

/* A socket that an earlier server left is replaced; one that somebody answers on is not. */
static int
remove_stale(const union address *address, const char *path)
{
	struct stat stat;

	if (lstat(path, &stat))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(stat.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int used = !connect(fd, &address->any, sizeof(address->un)) || errno != ECONNREFUSED;
	close(fd);
	if (used)
		return -EADDRINUSE;
	return unlink(path) ? -errno : 0;
}

static void
note_name(struct listeners *listeners, const char *path)
{
	size_t at = listeners->len - 1;
	char dir[108];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	listeners->dirs[at] = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(listeners->names[at], sizeof(listeners->names[at]), "%s", slash ? slash + 1 : path);
}

static int
listen_unix(struct listeners *listeners, const char *path, const char *mode_text)
{
	union address address;
	unsigned mode = 0600;

	memset(&address, 0, sizeof(address));
	address.un.sun_family = AF_UNIX;
	if (!*path || strlen(path) >= sizeof(address.un.sun_path))
		return complain(path, "a socket's path has 1 to 107 bytes");
	memcpy(address.un.sun_path, path, strlen(path) + 1);
	if (mode_text) {
		size_t digits = strspn(mode_text, "01234567");
		mode = 0;
		for (size_t i = 0; i < digits && mode <= 0777; i++)
			mode = mode * 8 + (unsigned)(mode_text[i] - '0');
		if (!digits || mode_text[digits] || mode > 0777)
			return complain(path, "--listen-mode is octal, at most 0777");
	}
	int error = remove_stale(&address, path);
	if (error)
		return complain(path, strerror(-error));
	mode_t old = umask(0177);
	int failed = listen_on(listeners, &address, sizeof(address.un), path);
	umask(old);
	if (failed)
		return failed;
	note_name(listeners, path);
	return chmod(path, mode) ? complain(path, strerror(errno)) : 0;
}

/* sd_listen_fds(3): LISTEN_FDS descriptors from 3 on, if LISTEN_PID is us. */
static int
take_passed(struct listeners *listeners)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	union address address;
	uint64_t n, whose;

	if (!pid || !count || str_to_u64(str_of(pid), UINT32_MAX, &whose) || whose != (uint64_t)getpid() ||
	    str_to_u64(str_of(count), LISTENERS_MAX, &n))
		return 0;
	for (int fd = FIRST_PASSED; fd < FIRST_PASSED + (int)n; fd++) {
		socklen_t len = sizeof(address);
		memset(&address, 0, sizeof(address));
		if (getsockname(fd, &address.any, &len))
			return complain("a passed descriptor", strerror(errno));
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
			return complain("a passed descriptor", strerror(errno));
		if (!is_loopback(&address))
			listeners->beyond_loopback = true;
		if (add(listeners, fd, address.any.sa_family == AF_UNIX))
			return -1;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

int
listeners_open(struct listeners *listeners, const struct options *options)
{
	memset(listeners, 0, sizeof(*listeners));
	if (take_passed(listeners))
		return -1;
	if (listeners->len)
		return 0;
	if (!options->listen.len)
		return listen_loopback(listeners, (uint16_t)options->port);
	for (size_t i = 0; i < options->listen.len; i++) {
		const char *text = options->listen.values[i];
		int failed = strncmp(text, "unix:", 5) ? listen_tcp(listeners, text, (uint16_t)options->port) :
		    listen_unix(listeners, text + 5, options->listen_mode);
		if (failed)
			return -1;
	}
	return 0;
}

void
listeners_say(const struct listeners *listeners)
{
	union address address;
	char host[64];

	for (size_t i = 0; i < listeners->len; i++) {
		socklen_t len = sizeof(address);
		memset(&address, 0, sizeof(address));
		if (getsockname(listeners->fds[i], &address.any, &len))
			continue;
		bool six = address.any.sa_family == AF_INET6;
		if (six || address.any.sa_family == AF_INET)
			fprintf(stderr, six ? "opensandbox: listening on http://[%s]:%u\n" :
			    "opensandbox: listening on http://%s:%u\n",
			    inet_ntop(address.any.sa_family, six ? (void *)&address.in6.sin6_addr : &address.in.sin_addr,
				host, sizeof(host)),
			    (unsigned)ntohs(address.in.sin_port));	/* at the same place in both */
		else
			fprintf(stderr, "opensandbox: listening on unix:%s\n", address.un.sun_path);
	}
}

void
listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->len; i++)
		close(listeners->fds[i]);
}

void
listeners_remove(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->len; i++)
		if (listeners->names[i][0] && listeners->dirs[i] >= 0) {
			(void)unlinkat(listeners->dirs[i], listeners->names[i], 0);
			close(listeners->dirs[i]);
		}
}
