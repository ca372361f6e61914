/* check_trial.c - the whole of it, once: a launcher, a sandbox, two runs
 *
 * A child becomes a launcher, as for `--run`, and its front asks for two runs: a file operation,
 * which needs everything but exec and is our own code, and `true`, which may not be there. The
 * child is the only one that leaves the host's namespaces; its launcher takes everything away that
 * it has made. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_private.h"
#include "confine.h"
#include "environment.h"
#include "parcel.h"
#include "sandbox.h"
#include "wait.h"

enum {
	RUN_SECONDS = 12, /* the launcher itself gives up building after 10 */
	TRIAL_SECONDS = 30,
	CGROUP_SECONDS = 10,
	PARCEL_MAX = 65536,
};
static const int64_t second_ns = 1000000000;

struct trial {
	struct check_trial *out; /* shared */
	const struct options *options;
};

static void
set_failure(struct check_trial *out, const char *step, int error)
{
	if (out->error)
		return; /* the first report counts */
	out->error = error < 0 ? error : -error;
	snprintf(out->step, sizeof(out->step), "%s", step ? step : "open the launcher");
}

/* --- the front --- */

static int
pack(const char *arg)
{
	struct buf parcel;

	buf_init(&parcel, PARCEL_MAX);
	parcel_begin(&parcel);
	parcel_arg(&parcel, str_of(arg));
	environment_pack(&parcel, NULL, 0);
	parcel_cwd(&parcel, STR("/"));
	int fd = parcel.failed ? -ENOMEM : parcel_post("check", buf_str(&parcel));
	buf_free(&parcel);
	return fd;
}

static int
await_end(struct sandbox *sandbox, struct wait *wait, int64_t deadline)
{
	struct sandbox_event event;

	for (;;) {
		wait_begin(wait);
		if (wait->now >= deadline)
			return -ETIMEDOUT;
		wait_until(wait, deadline);
		sandbox_wait(sandbox, wait);
		int error = wait_poll(wait);
		if (error)
			return error;
		sandbox_step(sandbox, wait);
		while (sandbox_next(sandbox, &event)) {
			union message message;
			int fd = -1;
			if (event.type == SANDBOX_ENDED)
				return 0;
			if (event.type == SANDBOX_LOST)
				return -EPIPE;
			if (event.type != SANDBOX_MESSAGE ||
			    !sandbox_message(sandbox, &message, &fd))
				continue;
			if (fd >= 0)
				close(fd);
			if (message.type == MESSAGE_DRAIN)
				return -ECANCELED;
		}
	}
}

static int
try_run(struct sandbox *sandbox, struct wait *wait, enum operation operation, const char *arg,
    uint64_t nofile_max, struct message_result *result)
{
	struct sandbox_spec spec = {
		.operation = (uint32_t)operation,
		.network = NETWORK_NONE,
		.parcel = pack(arg),
		.input = -1,
		.output = SANDBOX_KEEP,
		.errors = SANDBOX_KEEP,
		.output_fd = -1,
		.errors_fd = -1,
	};
	struct sandbox_run *run;

	if (spec.parcel < 0)
		return spec.parcel;
	limits_resolve(&spec.limits, NULL);
	spec.limits.wall_time_ms = RUN_SECONDS * 1000 / 2;
	if (spec.limits.nofile > nofile_max)
		spec.limits.nofile = nofile_max;
	int error = sandbox_start(sandbox, &spec, &run);
	if (error)
		return error;
	sandbox_feed_end(run);
	if ((error = await_end(sandbox, wait, wait_clock() + RUN_SECONDS * second_ns)))
		return error;
	*result = *sandbox_result(run);
	sandbox_free(sandbox, run);
	return 0;
}

static void
front(struct check_trial *out, int launcher, uid_t uid, bool has_uids)
{
	struct root_fault fault = { NULL };
	struct sandbox *sandbox;
	struct wait wait;

	int error = confine_front(uid, has_uids, &fault);
	if (error) {
		set_failure(out, fault.step, error);
		return;
	}
	if ((error = sandbox_open(&sandbox, launcher, 1))) {
		set_failure(out, "open the sandbox", error);
		return;
	}
	wait_open(&wait);
	uint64_t nofile_max = out->facts.nofile_max;
	error = try_run(sandbox, &wait, OPERATION_CHECK_CWD, "/", nofile_max, &out->sandbox);
	out->has_sandbox = !error;
	if (!error && out->sandbox.verdict == VERDICT_EXITED) {
		error =
		    try_run(sandbox, &wait, OPERATION_COMMAND, "true", nofile_max, &out->command);
		out->has_command = !error;
	}
	if (error)
		set_failure(out, "wait for the run", error);
	sandbox_close(sandbox);
	wait_close(&wait);
}

/* --- the launcher --- */

static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
be_launcher(void *argument)
{
	struct trial *trial = argument;
	struct check_trial *out = trial->out;
	const struct options *options = trial->options;
	struct launcher_config config = {
		.rootfs = options->rootfs,
		.binds = options->binds,
		.binds_len = options->bind.len,
		.runs_max = 1,
		.no_cgroup = options->no_cgroup,
		.no_userns = options->no_userns,
	};
	struct launcher *launcher;
	struct root_fault fault = { NULL };
	int ends[2];

	/* Who stops `check` stops it in good order: a launcher that dies half-way leaves its
	 * cgroups. */
	block_signals();
	int error = launcher_open(&launcher, &config, &fault);
	if (error) {
		set_failure(out, fault.step, error);
		return;
	}
	out->facts = *launcher_facts(launcher);
	out->opened = true;
	if ((error = message_pair(ends))) {
		set_failure(out, "socketpair", error);
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		front(out, ends[0], launcher_front_uid(launcher),
		    !launcher_facts(launcher)->one_uid);
		_exit(0);
	}
	if (pid < 0) {
		set_failure(out, "fork", errno);
		return;
	}
	close(ends[0]);
	int status = launcher_serve(launcher, ends[1], pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		set_failure(out, "run the front: it died", EIO);
}

void
check_trial(struct check_trial *out, const struct options *options)
{
	struct trial trial = { check_share(sizeof(*trial.out)), options };

	memset(out, 0, sizeof(*out));
	if (!trial.out) {
		set_failure(out, "allocate memory", ENOMEM);
		return;
	}
	int error = check_child(0, be_launcher, &trial, TRIAL_SECONDS, NULL);
	*out = *trial.out;
	if (error)
		set_failure(out, "try a sandbox", error);
	check_unshare(trial.out, sizeof(*trial.out));
}

/* --- cgroups alone --- */

struct trial_cgroup {
	struct cgroup_config config;
	struct cgroup_facts facts;
};

/* Without the right to a mount namespace there is none to remount anything either. */
static void
open_cgroup(void *argument)
{
	struct trial_cgroup *trial = argument;
	struct cgroup *cgroup;

	block_signals();
	if (!unshare(CLONE_NEWNS))
		(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (!cgroup_open(&cgroup, &trial->config, &trial->facts))
		cgroup_close(cgroup);
}

void
check_cgroup(struct cgroup_facts *facts, bool disabled)
{
	struct trial_cgroup *trial = check_share(sizeof(*trial));
	int error = -ENOMEM;

	memset(facts, 0, sizeof(*facts));
	if (trial) {
		trial->config.disabled = disabled;
		error = check_child(0, open_cgroup, trial, CGROUP_SECONDS, NULL);
		*facts = trial->facts;
		check_unshare(trial, sizeof(*trial));
	}
	if (error) {
		memset(facts, 0, sizeof(*facts));
		snprintf(facts->memory_why, sizeof(facts->memory_why),
		    "cgroups cannot be tried: %s", strerror(-error));
	}
}
