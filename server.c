/* server.c - the server process: start-up, giving up privileges, the loop, and the end
 *
 * The process that the user started opens the sockets and becomes the launcher; its child becomes the server, which gives up
 * everything before it has read a byte. The loop has one poll: http, sandbox and session say what they wait for, are stepped, and
 * their results are pulled. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "available.h"
#include "check.h"
#include "confine.h"
#include "launcher.h"
#include "listener.h"
#include "log.h"
#include "store.h"
#include "token.h"

enum {
	WARM_MAX = 8192,
	END_S = 10,			/* after a cancel, what is not over then is cut */
	HEALTH_S = 5,
};
static const int64_t ns_per_s = 1000000000;

struct server {
	const struct options *options;
	struct wait wait;
	struct http *http;
	struct sandbox *sandbox;
	struct sessions *sessions;
	struct api *api;
	bool ready, draining, canceled, lost;
	int64_t cancel_at, end_at;	/* INT64_MAX: not */
	const struct listeners *listeners;
	struct utsname kernel;
	struct buf facts;		/* of GET /version */
};

/* --- the loop -------------------------------------------------------------------------------------- */

static void
cancel_all(struct server *server)
{
	if (!server->canceled)
		server->end_at = server->wait.now + END_S * ns_per_s;
	server->canceled = true;
	api_cancel_all(server->api);
}

/* The first request to end lets runs go on for as long as --drain says; the second ends them. */
static void
drain(struct server *server)
{
	if (server->draining) {
		cancel_all(server);
		return;
	}
	server->draining = true;
	api_drain(server->api);
	server->cancel_at = server->wait.now + (int64_t)server->options->drain_s * ns_per_s;
	if (!server->options->drain_s)
		cancel_all(server);
}

static void
take_message(struct server *server)
{
	union message message;
	int fd;

	if (!sandbox_message(server->sandbox, &message, &fd))
		return;
	switch (message.type) {
	case MESSAGE_SESSION_DONE:
		api_answer(server->api, &message.session, &server->wait);
		break;
	case MESSAGE_SESSION_FOUND:
		if (fd >= 0)
			sessions_found(server->sessions, &message.session, fd, &server->wait);
		break;
	case MESSAGE_TOKENS:
		api_set_tokens(server->api, &message.tokens);
		break;
	case MESSAGE_READY:
		server->ready = true;
		sessions_found_all(server->sessions);
		listeners_say(server->listeners);
		break;
	case MESSAGE_DRAIN:
		drain(server);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void
take_run_events(struct server *server)
{
	struct sandbox_event event;

	while (sandbox_next(server->sandbox, &event)) {
		if (event.type == SANDBOX_MESSAGE)
			take_message(server);
		else if (event.type == SANDBOX_LOST)
			server->lost = true;
		else
			api_run_event(server->api, &event, &server->wait);
	}
}

static bool
is_over(struct server *server)
{
	if (server->lost)
		return true;
	if (!server->draining)
		return false;
	if (server->wait.now >= server->cancel_at && !server->canceled)
		cancel_all(server);
	return !http_busy(server->http) || server->wait.now >= server->end_at;
}

static int
loop(struct server *server)
{
	struct wait *wait = &server->wait;

	while (!is_over(server)) {
		wait_begin(wait);
		sandbox_wait(server->sandbox, wait);
		/* Connections wait until sessions are found and tokens known. */
		if (server->ready)
			api_wait(server->api, wait);
		sessions_wait(server->sessions, wait);
		if (server->draining)
			wait_until(wait, server->canceled ? server->end_at : server->cancel_at);
		int error = wait_poll(wait);
		if (error)
			return error;
		sandbox_step(server->sandbox, wait);
		take_run_events(server);
		if (server->ready)
			api_step(server->api, wait);
		sessions_step(server->sessions, wait);
	}
	return 0;
}

static int
say_goodbye(struct server *server)
{
	struct message_plain goodbye = {
		.type = MESSAGE_GOODBYE, .session_keep = server->options->keep_sessions,
	};

	if (server->lost) {
		fprintf(stderr, "opensandbox: the launcher is gone, and every sandbox with it\n");
		return 1;
	}
	(void)sandbox_tell(server->sandbox, &goodbye, sizeof(goodbye), -1);
	return 0;
}

/* --- start-up -------------------------------------------------------------------------------------- */

static const char *
node_of(const struct options *options, bool *fly)
{
	const char *machine = getenv("FLY_MACHINE_ID");

	*fly = machine && *machine;
	return options->node_id ? options->node_id : machine ? machine : "";
}

static bool
node_valid(const char *node)
{
	size_t len = strspn(node, "abcdefghijklmnopqrstuvwxyz0123456789");
	return !node[len] && len <= 26;
}

static int
open_api(struct server *server, const struct launcher_facts *facts, int null)
{
	const struct options *options = server->options;
	bool fly;
	const char *node = node_of(options, &fly);
	struct api_config config = {
		.http = server->http, .sandbox = server->sandbox, .sessions = server->sessions,
		.rules = {
			.ceilings = options->ceilings, .nofile_max = facts->nofile_max,
			.network_host = options->network && !strcmp(options->network, "host"),
		},
		.allow_host = &options->allow_host, .listener_is_unix = server->listeners->is_unix,
		.node = node, .fly = fly, .kernel = server->kernel.release, .connections_max = (unsigned)options->max_connections,
		.runs_max = (unsigned)options->max_runs, .log_format = options->log_format, .null = null,
		.facts = buf_str(&server->facts),
	};

	return api_open(&server->api, &config);
}

/* Connections leave descriptors for runs: each has up to eight, and the server a few of its own. */
static size_t
connections_max(const struct options *options)
{
	struct rlimit files;
	uint64_t most = options->max_connections, kept = 64 + 8 * options->max_runs;

	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < most + kept)
		most = files.rlim_cur > 2 * kept ? files.rlim_cur - kept : files.rlim_cur / 2;
	return (size_t)(most ? most : 1);
}

static int
open_rooms(struct server *server, int launcher, const struct launcher_facts *facts, int null)
{
	const struct options *options = server->options;
	bool fly;
	struct http_config http = {
		.listeners = server->listeners->fds, .listeners_len = server->listeners->len,
		.connections_max = connections_max(options),
		.body_max = (size_t)options->max_body_kb << 10,
	};
	int error;

	if ((error = sandbox_open(&server->sandbox, launcher, (unsigned)options->max_runs)) ||
	    (error = sessions_open(&server->sessions, server->sandbox, (size_t)options->max_sessions,
	    node_of(options, &fly))) || (error = http_open(&server->http, &http)))
		return error;
	return open_api(server, facts, null);
}

/* musl gives a page back to the kernel when the last object leaves it, so that every request would map, touch and unmap some. One
 * object of each size stays, and its page with it. */
static void
warm_memory(void)
{
	static void *volatile kept;

	for (size_t size = 16; size <= WARM_MAX; size += size < 64 ? 16 : size / 4)
		kept = malloc(size);
	(void)kept;
}

static int
serve(struct server *server, int launcher_end, const struct launcher_facts *facts, uid_t uid)
{
	struct root_fault fault = { "open /dev/null" };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0)
		null = open("dev/null", O_RDONLY | O_CLOEXEC);	/* the launcher's own parts */
	if (null < 0 || uname(&server->kernel))
		return log_failure(fault.step, errno);
	int error = open_rooms(server, launcher_end, facts, null);
	if (error)
		return log_failure("start the server", error);
	warm_memory();
	if ((error = confine_front(uid, !facts->one_uid, &fault)))
		return log_failure(fault.step, error);
	wait_open(&server->wait);
	server->cancel_at = server->end_at = INT64_MAX;
	if ((error = loop(server)))
		return log_failure("poll", error);
	return say_goodbye(server);
}

/* The token of the environment; it is wiped there, and from the process's own memory of it. */
static int
take_token(struct message_tokens *tokens)
{
	char *token = getenv("OPENSANDBOX_TOKEN");
	int error = 0;

	memset(tokens, 0, sizeof(*tokens));
	if (!token)
		return 0;
	if (*token)
		error = token_add(tokens, str_of(token));
	explicit_bzero(token, strlen(token));
	unsetenv("OPENSANDBOX_TOKEN");
	return error;
}

static uint64_t
host_memory_kb(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : (uint64_t)info.totalram * info.mem_unit / 1024;
}

/* What the host cannot give is said once, at start, and to whoever asks for /version. */
static void
take_facts(struct buf *out, const struct options *options)
{
	struct check check;

	buf_init(out, CHECK_JSON_MAX + 64);
	check_facts(&check, options);
	for (size_t i = 0; i < check.len; i++)
		if (check.lines[i].status != CHECK_OK)
			log_say(options->log_format, "%s: %s: %s", check.lines[i].name,
			    check_status_name(check.lines[i].status), check.lines[i].detail);
	buf_puts(out, ", \"check\": ");
	check_write_json(out, &check);
}

static int
check_options(const struct options *options, const struct listeners *listeners,
    const struct message_tokens *tokens)
{
	bool fly;

	if (!node_valid(node_of(options, &fly))) {
		fprintf(stderr, "opensandbox: --node-id: at most 26 of a-z and 0-9\n");
		return 2;
	}
	if (listeners->beyond_loopback && !tokens->len && !options->token_file && !options->no_token) {
		fprintf(stderr, "opensandbox: whoever reaches this could run commands: give "
		    "--token-file or OPENSANDBOX_TOKEN, or --no-token if that is meant\n");
		return 2;
	}
	return 0;
}

static const char *
state_dir_of(const struct options *options)
{
	return options->state_dir ? options->state_dir : "/tmp";
}

static int
explain_open(const struct root_fault *fault, int error, const struct options *options)
{
	const char *dir = state_dir_of(options);

	if (strcmp(fault->step, "lock the state directory"))
		return log_failure(fault->step, error);
	bool busy = error == -EAGAIN;
	fprintf(stderr, "opensandbox: %s the state directory %s%s%s (--state-dir chooses another)\n",
	    busy ? "another server is running with" : "cannot lock", dir, busy ? "" : ": ",
	    busy ? "" : strerror(-error));
	return LOG_FAILURE;
}

/* Everything that is the launcher's is closed in the server: it keeps its sockets, its end of the pair, and 0 to 2. */
static void
close_others(const struct listeners *listeners, int launcher_end)
{
	int keep[LISTENERS_MAX + 1] = { launcher_end };

	for (size_t i = 0; i < listeners->len; i++)
		keep[i + 1] = listeners->fds[i];
	confine_descriptors(keep, listeners->len + 1);
}

/* As many runs at once as were asked for, or as there is memory for. */
static uint64_t
runs_max(const struct options *options)
{
	if (options->max_runs)
		return options->max_runs;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t available = available_memory_kb(proc);
	unsigned runs = available_runs(available);
	if (proc >= 0)
		close(proc);
	if (runs < AVAILABLE_RUNS)
		log_say(LOG_TEXT, "runs at once: %u, as the host has %u MB of memory left: see --max-runs", runs,
		    (unsigned)(available / 1024));
	return runs;
}

int
server_run(const struct options *given)
{
	struct options own = *given, *options = &own;
	struct listeners listeners;
	struct message_tokens tokens;
	struct root_fault fault = { NULL };
	struct launcher *launcher;
	int ends[2], error;

	if (take_token(&tokens))
		return log_failure("OPENSANDBOX_TOKEN", EINVAL);
	if (listeners_open(&listeners, options))
		return LOG_FAILURE;
	if ((error = check_options(options, &listeners, &tokens)))
		goto err;
	options->max_runs = runs_max(options);
	struct buf facts_text;
	take_facts(&facts_text, options);
	struct launcher_config config = {
		.rootfs = options->rootfs, .binds = options->binds, .binds_len = options->bind.len,
		.runs_max = (unsigned)options->max_runs,
		.mem_max_kb = options->ceilings.mem_kb ? options->ceilings.mem_kb : host_memory_kb() / 4 * 3,
		.ceilings = options->ceilings,
		.network_host = options->network && !strcmp(options->network, "host"),
		.no_cgroup = options->no_cgroup, .no_userns = options->no_userns,
		.reuse = !options->no_reuse,
		.state_dir = state_dir_of(options),
		.sessions_max = (unsigned)options->max_sessions, .keep_sessions = options->keep_sessions,
		.token_file = options->token_file, .tokens = &tokens,
		.token_required = tokens.len || options->token_file,
	};
	if ((error = launcher_open(&launcher, &config, &fault))) {
		error = explain_open(&fault, error, options);
		goto err;
	}
	pid_t pid = -1;
	if ((error = message_pair(ends)) || (pid = fork()) < 0) {
		error = log_failure("start the server", error ? error : errno);
		launcher_close(launcher, true);
		goto err;
	}
	if (pid == 0) {
		struct server server = {
			.options = options, .listeners = &listeners, .facts = facts_text,
		};
		uid_t uid = launcher_front_uid(launcher);
		struct launcher_facts facts = *launcher_facts(launcher);
		close_others(&listeners, ends[0]);
		_exit(serve(&server, ends[0], &facts, uid));
	}
	close(ends[0]);
	listeners_close(&listeners);
	int status = launcher_serve(launcher, ends[1], pid);
	listeners_remove(&listeners);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "opensandbox: the server process died of signal %d\n", WTERMSIG(status));
	return 1;
err:
	listeners_close(&listeners);
	listeners_remove(&listeners);
	return error;
}

/* --- health ---------------------------------------------------------------------------------------- */

static int
connect_to(const struct options *options)
{
	const char *text = options->listen.len ? options->listen.values[0] : "127.0.0.1";
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} address;
	socklen_t len = sizeof(address.in);
	struct timeval patience = { .tv_sec = HEALTH_S };

	memset(&address, 0, sizeof(address));
	if (!strncmp(text, "unix:", 5)) {
		address.un.sun_family = AF_UNIX;
		snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", text + 5);
		len = sizeof(address.un);
	} else if (inet_pton(AF_INET, text, &address.in.sin_addr) == 1) {
		address.in.sin_family = AF_INET;
		address.in.sin_port = htons((uint16_t)options->port);
		/* Who listens on every address is asked on this one. */
		if (!address.in.sin_addr.s_addr)
			address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else if (inet_pton(AF_INET6, text, &address.in6.sin6_addr) == 1) {
		address.in6.sin6_family = AF_INET6;
		address.in6.sin6_port = htons((uint16_t)options->port);
		len = sizeof(address.in6);
	} else {
		return -EINVAL;
	}
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, &address.any, len)) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int
server_health(const struct options *options)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char reply[512];
	size_t len = 0;
	ssize_t n;

	int fd = connect_to(options);
	if (fd < 0) {
		fprintf(stderr, "opensandbox: health: %s\n", strerror(-fd));
		return 1;
	}
	if (write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1) {
		close(fd);
		return 1;
	}
	while (len < sizeof(reply) - 1 && (n = read(fd, reply + len, sizeof(reply) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	reply[len] = '\0';
	if (!strncmp(reply, "HTTP/1.1 200 ", 13)) {
		puts("OK");
		return fflush(stdout) ? 1 : 0;
	}
	const char *body = strstr(reply, "\r\n\r\n");
	fprintf(stderr, "opensandbox: health: %s\n", body && body[4] ? body + 4 : "no answer");
	return 1;
}

/* --- where sessions are ---------------------------------------------------------------------------- */

int
server_sessions(const struct options *options)
{
	char ls[] = "ls", as_list[] = "-l";
	char *list[] = { ls, as_list, NULL };
	const char *dir = state_dir_of(options);
	char **argv = options->argv[0] ? options->argv : list;

	int error = store_visit(dir);
	if (error) {
		fprintf(stderr, "opensandbox: no sessions of %s can be seen: %s\n", dir, strerror(-error));
		return 1;
	}
	execvp(argv[0], argv);
	error = errno;
	log_say(LOG_TEXT, "%s: %s", argv[0], strerror(error));
	return error == ENOENT ? 127 : 126;
}
