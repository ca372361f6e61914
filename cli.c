/* cli.c - the command line's front: hands one run to the launcher, passes the streams, reports the result
 *
 * The process that the user started becomes the launcher; the front is its child, confined like the server. A stream that is a
 * pipe or a terminal (stdin also: a file) goes to the command as it is. What else it is (a socket, a directory, a file for output, on
 * which the command's own fsize limit would act) stays outside, and bytes are passed through a pipe. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "environment.h"
#include "launcher.h"
#include "log.h"
#include "message.h"
#include "parcel.h"
#include "result.h"
#include "sandbox.h"
#include "time_text.h"

enum {
	EXIT_LIMIT = 124,
	COPY_SIZE = 65536,
	PIPE_WRITE = 4096,		/* poll(2) promises room for PIPE_BUF bytes, and no more */
	RESULT_MAX = 16384,
};

/* A stream that is passed through here. */
struct passage {
	int fd;				/* of the caller's; -1: not passed, or done with */
	bool is_file;
	int error;			/* what it could not be written for */
	uint64_t left;			/* bytes that may still be passed (--output) */
	int wait;
};

struct cli {
	const struct options *options;
	struct limits limits;
	struct sandbox *sandbox;
	struct sandbox_run *run;
	struct wait wait;
	struct passage output, errors;
	bool give[3];			/* a stream can be the command's own */
	bool pass_input, input_waits;	/* input_waits: nothing fits into the command's stdin now */
	int wait_input;
	struct buf input;
	uint32_t signal;		/* that asked us to end */
	bool over;
	int result_fd;
};

/* --- the streams -------------------------------------------------------------------------------- */

static bool
is_terminal_or_null(int fd, const struct stat *stat)
{
	return S_ISCHR(stat->st_mode) && (isatty(fd) || stat->st_rdev == makedev(1, 3));
}

/* The call by its number: the filter of the front knows no other, and fstat of glibc is made of another one. */
static int
stat_of(int fd, struct stat *stat)
{
	return (int)syscall(SYS_fstat, fd, stat);
}

/* Whether a descriptor can be the command's own. A file that its user might write to is not: by /proc/self/fd/0 it can be opened
 * anew, and for more than it was given for. Without root that is every file of the caller's, whose uid the command has. */
static bool
can_be_given(int fd, bool for_input)
{
	struct stat stat;

	if (stat_of(fd, &stat))
		return false;
	if (S_ISFIFO(stat.st_mode) || is_terminal_or_null(fd, &stat))
		return true;
	return for_input && S_ISREG(stat.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY &&
	    geteuid() == 0 && !(stat.st_mode & S_IWOTH);
}

static void
open_passage(struct passage *passage, int fd, uint64_t output_kb)
{
	struct stat stat;

	passage->wait = WAIT_NONE;
	passage->left = output_kb ? output_kb << 10 : UINT64_MAX;
	passage->fd = -1;
	if (stat_of(fd, &stat))
		return;			/* closed: what the command writes is dropped */
	passage->is_file = S_ISREG(stat.st_mode);
	passage->fd = fd;
}

/* What the command wrote goes out as far as it fits; a reader that is gone ends the passage. */
static void
pass_out(struct passage *passage, struct buf *from, bool ready)
{
	while (from->len) {
		if (passage->fd < 0 || passage->left == 0) {
			buf_consume(from, from->len);
			return;
		}
		if (!ready && !passage->is_file)
			return;
		size_t n = passage->is_file || from->len < PIPE_WRITE ? from->len : PIPE_WRITE;
		if (n > passage->left)
			n = (size_t)passage->left;
		ssize_t written = write(passage->fd, from->data, n);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (written < 0) {
			/* A reader that is gone is no error: the command learns of it as by a pipe of its own. */
			passage->error = errno == EPIPE ? 0 : errno;
			passage->fd = -1;
			continue;
		}
		buf_consume(from, (size_t)written);
		passage->left -= passage->left == UINT64_MAX ? 0 : (uint64_t)written;
		ready = false;		/* ask again before more is written */
	}
}

static void
pass_in(struct cli *cli, bool ready)
{
	if (ready && !cli->input.len) {
		char bytes[COPY_SIZE];
		ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0)
			(void)buf_append(&cli->input, bytes, (size_t)n);
		else
			cli->pass_input = false;
	}
	while (cli->input.len) {
		ssize_t n = sandbox_feed(cli->run, buf_str(&cli->input));
		if (n < 0) {
			cli->input_waits = n == -EAGAIN;
			if (n != -EAGAIN) {
				cli->pass_input = false;
				buf_consume(&cli->input, cli->input.len);
			}
			return;
		}
		buf_consume(&cli->input, (size_t)n);
	}
	if (!cli->pass_input)
		sandbox_feed_end(cli->run);
}

/* --- the result --------------------------------------------------------------------------------- */

static void
write_result(const struct cli *cli, const struct message_result *result)
{
	struct result_view view = { .result = result, .queue_ns = -1 };
	struct buf text;

	if (cli->result_fd < 0)
		return;
	buf_init(&text, RESULT_MAX);
	result_write(&text, &view);
	for (size_t at = 0; at < text.len;) {
		ssize_t n = write(cli->result_fd, text.data + at, text.len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			log_failure("cannot write the result", errno);
			break;
		}
		at += (size_t)n;
	}
	buf_free(&text);
}

static void
say_limit(const struct cli *cli, const struct message_result *result)
{
	const struct usage *usage = &result->usage;

	fprintf(stderr, "opensandbox: %s: used %llu.%03llu s of CPU time (limit %llu.%03llu), "
	    "%llu.%03llu s elapsed (limit %llu.%03llu), "
	    "%llu KB of memory (limit %llu)\n", result_status(result->verdict), THOUSANDTHS(usage->cpu_ns / 1000000),
	    THOUSANDTHS(cli->limits.time_ms), THOUSANDTHS(usage->wall_ns / 1000000),
	    THOUSANDTHS(cli->limits.wall_time_ms), (unsigned long long)usage->mem_kb,
	    (unsigned long long)cli->limits.mem_kb);
}

static int
exit_status(const struct cli *cli, const struct message_result *result)
{
	struct buf text;

	switch (result->verdict) {
	case VERDICT_EXITED:
		return result->exit_code;
	case VERDICT_SIGNALED:
		return 128 + result->signal;
	case VERDICT_TIME_LIMIT:
	case VERDICT_WALL_TIME_LIMIT:
	case VERDICT_MEMORY_LIMIT:
	case VERDICT_HOST_MEMORY_LIMIT:
		say_limit(cli, result);
		return EXIT_LIMIT;
	case VERDICT_EXEC_FAILED:
		buf_init(&text, RESULT_MAX);
		result_exec_failure(&text, result, str_of(cli->options->argv[0]));
		fwrite(text.data, 1, text.len, stderr);
		buf_free(&text);
		return result->exit_code;
	case VERDICT_CANCELED:
		return 128 + (int)(cli->signal ? cli->signal : SIGTERM);
	default:
		return log_failure(result->step, result->error);
	}
}

/* --- the front ---------------------------------------------------------------------------------- */

static int
pack(const struct cli *cli)
{
	struct variable variables[OPTIONS_LIST_MAX];
	struct buf parcel;

	buf_init(&parcel, MESSAGE_PARCEL_MAX);
	parcel_begin(&parcel);
	for (char **arg = cli->options->argv; *arg; arg++)
		parcel_arg(&parcel, str_of(*arg));
	for (size_t i = 0; i < cli->options->env.len; i++) {
		const char *text = cli->options->env.values[i];
		size_t len = strcspn(text, "=");
		variables[i] = (struct variable){ { text, len }, str_of(text + len + 1) };
	}
	environment_pack(&parcel, variables, cli->options->env.len);
	parcel_cwd(&parcel, str_of(cli->options->cwd ? cli->options->cwd : "/"));
	int fd = parcel.failed ? -ENOMEM : parcel_post("run", buf_str(&parcel));
	buf_free(&parcel);
	return fd;
}

/* Both go to one file, and uncapped: then through one pipe, so that they stay in order. */
static bool
outputs_joined(const struct cli *cli)
{
	struct stat output, errors;

	return !cli->options->limits.output_kb && !cli->give[STDOUT_FILENO] && !cli->give[STDERR_FILENO] &&
	    !stat_of(STDOUT_FILENO, &output) && !stat_of(STDERR_FILENO, &errors) &&
	    output.st_dev == errors.st_dev && output.st_ino == errors.st_ino;
}

static int
start(struct cli *cli)
{
	const struct options *options = cli->options;
	bool capped = options->limits.output_kb != 0;
	struct sandbox_spec spec = {
		.operation = OPERATION_COMMAND,
		.network = options->network && !strcmp(options->network, "host") ? NETWORK_HOST : NETWORK_NONE,
		.limits = cli->limits, .parcel = pack(cli), .input = -1,
		.output = SANDBOX_STREAM, .errors = SANDBOX_STREAM,
		.output_fd = STDOUT_FILENO, .errors_fd = STDERR_FILENO,
	};

	if (spec.parcel < 0)
		return spec.parcel;
	if (cli->give[STDIN_FILENO])
		spec.input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	if (!capped && cli->give[STDOUT_FILENO])
		spec.output = SANDBOX_GIVEN;
	if (!capped && cli->give[STDERR_FILENO])
		spec.errors = SANDBOX_GIVEN;
	if (outputs_joined(cli))
		spec.errors = SANDBOX_JOINED;
	cli->pass_input = spec.input < 0;
	return sandbox_start(cli->sandbox, &spec, &cli->run);
}

/* The launcher's other messages: what it found at start is not asked for here; a signal ends the run. */
static void
take_message(struct cli *cli)
{
	union message message;
	int fd;

	if (!sandbox_message(cli->sandbox, &message, &fd))
		return;
	if (fd >= 0)
		close(fd);
	if (message.type == MESSAGE_DRAIN) {
		cli->signal = message.plain.signal;
		sandbox_cancel(cli->sandbox, cli->run);
	}
}

static bool
take_events(struct cli *cli)
{
	struct sandbox_event event;

	while (sandbox_next(cli->sandbox, &event)) {
		switch (event.type) {
		case SANDBOX_ENDED:
			cli->over = true;
			break;
		case SANDBOX_ROOM:
			cli->input_waits = false;
			pass_in(cli, false);
			break;
		case SANDBOX_MESSAGE:
			take_message(cli);
			break;
		case SANDBOX_LOST:
			return false;
		case SANDBOX_OUTPUT:
			break;
		}
	}
	return true;
}

static bool
has_output(struct cli *cli)
{
	return sandbox_output(cli->run)->len || sandbox_errors(cli->run)->len;
}

static int
loop(struct cli *cli)
{
	struct wait *wait = &cli->wait;

	while (!cli->over || has_output(cli)) {
		wait_begin(wait);
		sandbox_wait(cli->sandbox, wait);
		cli->wait_input = cli->pass_input && !cli->input_waits && !cli->over ?
		    wait_add(wait, STDIN_FILENO, POLLIN) : WAIT_NONE;
		cli->output.wait = sandbox_output(cli->run)->len ? wait_add(wait, cli->output.fd, POLLOUT) : WAIT_NONE;
		cli->errors.wait = sandbox_errors(cli->run)->len ? wait_add(wait, cli->errors.fd, POLLOUT) : WAIT_NONE;
		int error = wait_poll(wait);
		if (error)
			return error;
		sandbox_step(cli->sandbox, wait);
		if (!take_events(cli))
			return -EPIPE;
		if (wait_ready(wait, cli->wait_input))
			pass_in(cli, true);
		pass_out(&cli->output, sandbox_output(cli->run), wait_ready(wait, cli->output.wait) != 0);
		pass_out(&cli->errors, sandbox_errors(cli->run), wait_ready(wait, cli->errors.wait) != 0);
	}
	return 0;
}

static int
front(struct cli *cli, int launcher, uid_t uid, bool has_uids)
{
	struct root_fault fault;
	int error;

	if ((error = confine_front(uid, has_uids, &fault)))
		return log_failure(fault.step, error);
	if ((error = sandbox_open(&cli->sandbox, launcher, 1)))
		return log_failure("open the sandbox", error);
	open_passage(&cli->output, STDOUT_FILENO, cli->options->limits.output_kb);
	open_passage(&cli->errors, STDERR_FILENO, cli->options->limits.output_kb);
	buf_init(&cli->input, COPY_SIZE);
	wait_open(&cli->wait);
	if ((error = start(cli)))
		return log_failure("start the run", error);
	if ((error = loop(cli)))
		return log_failure("the launcher has gone", error);
	const struct message_result *result = sandbox_result(cli->run);
	write_result(cli, result);
	int status = exit_status(cli, result);
	error = cli->output.error ? cli->output.error : cli->errors.error;
	return error ? log_failure("cannot write the output", error) : status;
}

static int
open_result(const struct options *options)
{
	if (options->result_fd >= 0)
		return fcntl(options->result_fd, F_DUPFD_CLOEXEC, 3);
	if (!options->result_file)
		return -1;
	return open(options->result_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

int
cli_run(const struct options *options)
{
	struct cli cli = { .options = options, .limits = options->limits };
	struct launcher_config config = {
		.rootfs = options->rootfs, .binds = options->binds, .binds_len = options->bind.len,
		.runs_max = 1, .network_host = options->network && !strcmp(options->network, "host"),
		.no_cgroup = options->no_cgroup, .no_userns = options->no_userns,
	};
	struct launcher *launcher;
	struct root_fault fault = { NULL };
	int ends[2];

	limits_resolve(&cli.limits, NULL);
	config.only_disk_kb = cli.limits.disk_kb;
	config.only_network = config.network_host ? NETWORK_HOST : NETWORK_NONE;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		cli.give[fd] = can_be_given(fd, fd == STDIN_FILENO);
	cli.result_fd = open_result(options);
	if (cli.result_fd < 0 && (options->result_file || options->result_fd >= 0)) {
		log_say(LOG_TEXT, "%s: %s", options->result_file ? options->result_file : "--result-fd", strerror(errno));
		return LOG_FAILURE;
	}
	int error = launcher_open(&launcher, &config, &fault);
	if (error) {
		struct message_result result = {
			.verdict = VERDICT_INTERNAL, .exit_code = -1, .error = -error,
		};
		snprintf(result.step, sizeof(result.step), "%s", fault.step);
		write_result(&cli, &result);
		return log_failure(fault.step, error);
	}
	uint64_t nofile_max = launcher_facts(launcher)->nofile_max;
	if (options->limits.nofile > nofile_max) {
		fprintf(stderr, "opensandbox: --nofile: %llu is more than can be set here (%llu)\n",
		    (unsigned long long)options->limits.nofile, (unsigned long long)nofile_max);
		launcher_close(launcher, false);
		return 2;
	}
	pid_t pid = -1;
	if ((error = message_pair(ends)) || (pid = fork()) < 0) {
		error = error ? error : -errno;
		launcher_close(launcher, false);
		return log_failure("start the front", error);
	}
	if (pid == 0) {
		confine_descriptors((const int[]){ ends[0], cli.result_fd }, 2);
		_exit(front(&cli, ends[0], launcher_front_uid(launcher),
		    !launcher_facts(launcher)->one_uid));
	}
	close(ends[0]);
	int status = launcher_serve(launcher, ends[1], pid);
	if (!WIFEXITED(status)) {
		fprintf(stderr, "opensandbox: the front process died of signal %d\n", WTERMSIG(status));
		return LOG_FAILURE;
	}
	return WEXITSTATUS(status);
}
