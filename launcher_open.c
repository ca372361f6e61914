/* launcher_open.c - the launcher's start: becoming what it needs to be, and trying what the host gives */
#include "launcher_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "buf.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

enum {
	SPARE_SLOTS = 2,
	SLOT_FDS = 48,			/* that a slot has at most, with its groups, and some for all */
};

/* A command's limit cannot be above ours, and what starts a server often gave it a hard limit of processes. Where we may not raise
 * them, a run that asks for more fails with that. */
static void
raise_limits(void)
{
	static const int raised[] = { RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_AS };
	struct rlimit most;

	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		if (syscall(SYS_prlimit64, 0, raised[i], NULL, &most))
			continue;
		most.rlim_max = RLIM_INFINITY;
		if (raised[i] == RLIMIT_NPROC)
			most.rlim_cur = RLIM_INFINITY;
		(void)syscall(SYS_prlimit64, 0, raised[i], &most, NULL);
	}
}

static void
find_facts(struct launcher *launcher)
{
	struct launcher_facts *facts = &launcher->facts;
	struct rlimit files;
	cpu_set_t cores;

	raise_limits();
	facts->one_uid = launcher->uids.one;
	facts->cores = 1;
	if (!sched_getaffinity(0, sizeof(cores), &cores) && CPU_COUNT(&cores) > 0)
		facts->cores = (unsigned)CPU_COUNT(&cores);
	/* Raised as far as it goes: a command's limit cannot be above ours. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		struct rlimit most = { limit_fields[LIMIT_NOFILE].greatest, limit_fields[LIMIT_NOFILE].greatest };
		if (files.rlim_max < most.rlim_max && prlimit(0, RLIMIT_NOFILE, &most, NULL))
			most.rlim_cur = most.rlim_max = files.rlim_max;
		else if (files.rlim_max >= most.rlim_max)
			most = (struct rlimit){ files.rlim_max, files.rlim_max };
		(void)prlimit(0, RLIMIT_NOFILE, &most, NULL);
		facts->nofile_max = most.rlim_max;
	}
}

/* A host that has no such thing, or forbids it: anything else is a failure, and no reason for a weaker sandbox. */
static bool
is_refusal(int error)
{
	static const uint64_t refusals = 1ull << EPERM | 1ull << EACCES | 1ull << EINVAL | 1ull << ENOSPC | 1ull << ENOSYS;

	return error > -64 && (refusals >> -error & 1);
}

/* The one that is made to try is the first slot's. */
static int
try_userns(struct launcher *launcher)
{
	struct launcher_facts *facts = &launcher->facts;

	if (launcher->config.no_userns)
		return 0;
	int fd = jail_userns(root_proc(launcher->root), launcher->uids.init, launcher->uids.user,
	    launcher->uids.one);
	facts->userns = fd >= 0;
	if (fd < 0) {
		facts->userns_error = -fd;
		return is_refusal(fd) ? 0 : fd;
	}
	launcher->slots[0].userns = fd;
	return 0;
}

static int
leave(void *argument)
{
	(void)argument;
	return 0;
}

static int
try_cgroup_namespace(struct launcher *launcher)
{
	char stack[16384] __attribute__((aligned(16)));	/* a dynamic linker that first looks _exit up takes 4 KB */

	/* In our memory, as nothing of it is changed: a copy takes three times as long. */
	pid_t pid = clone(leave, stack + sizeof(stack), CLONE_NEWCGROUP | CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	launcher->facts.cgroup_namespace = pid > 0;
	if (pid < 0)
		return is_refusal(-errno) ? 0 : -errno;
	(void)wait_child(pid);
	return 0;
}

static int
open_signals(struct launcher *launcher)
{
	static const int asked[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	struct sigaction old;
	struct stat stat;
	sigset_t set;
	int ends[2];

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		/* Who started a command line with a signal ignored (nohup) wants it to stay so. */
		if (!launcher->config.state_dir && !sigaction(asked[i], NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, asked[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	launcher->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	launcher->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (pipe2(ends, O_CLOEXEC) || fstat(ends[0], &stat))
		return -errno;
	launcher->pipes = stat.st_dev;
	close(ends[0]);
	close(ends[1]);
	return launcher->signals < 0 || launcher->self < 0 ? -errno : 0;
}

/* The file's directory is opened now: later the launcher has no path to it. A renamed-in new file is found. */
static int
open_token_dir(struct launcher *launcher)
{
	char dir[4096];

	if (!launcher->config.token_file)
		return 0;
	snprintf(dir, sizeof(dir), "%s", launcher->config.token_file);
	char *slash = strrchr(dir, '/');
	launcher->token_name = slash ? launcher->config.token_file + (slash - dir) + 1 :
	    launcher->config.token_file;
	if (slash)
		slash[slash == dir] = '\0';
	launcher->token_dir = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return launcher->token_dir < 0 ? -errno : 0;
}

static int
open_slots(struct launcher *launcher)
{
	/* While a sandbox settles its successor may be needed already. */
	size_t len = (launcher->config.reuse ? 2 : 1) * launcher->config.runs_max + SPARE_SLOTS;

	if (len > launcher->uids.slots - 1)	/* the last uid is the front's */
		len = launcher->uids.slots - 1;
	if (len < launcher->config.runs_max)
		return -EINVAL;
	/* A run beyond that is refused. Out of descriptors, we would take its message for one that our front cannot have sent. */
	size_t most = (unsigned)launcher->facts.nofile_max / SLOT_FDS + SPARE_SLOTS;
	if (len > most)
		len = most;
	launcher->slots = calloc(len, sizeof(*launcher->slots));
	launcher->outbox = calloc(OUTBOX_MAX, sizeof(*launcher->outbox));
	if (!launcher->slots || !launcher->outbox)
		return -ENOMEM;
	launcher->slots_len = len;
	for (size_t i = 0; i < len; i++) {
		struct slot *slot = &launcher->slots[i];
		slot->number = (unsigned)i;
		slot->userns = slot->session_userns = slot->pidfd = slot->control = slot->proc = -1;
	}
	return 0;
}

static int
open_namespaces(struct launcher *launcher, struct root_fault *fault)
{
	const struct launcher_config *config = &launcher->config;
	struct cgroup_config cgroup = { .mem_max_kb = config->mem_max_kb, .disabled = config->no_cgroup };
	struct root_config root = {
		.rootfs = config->rootfs, .binds = config->binds, .binds_len = config->binds_len,
		.uid = config->no_userns ? launcher->uids.user : JAIL_UID_USER,
		.rootless = launcher->uids.one,
	};
	int error;

	fault->step = "unshare the mount namespace";
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	fault->step = "open the namespace of sessions";
	if (launcher->store && (error = store_settle(launcher->store)))
		return error;
	fault->step = "open the cgroups";
	if ((error = cgroup_open(&launcher->cgroup, &cgroup, &launcher->facts.cgroup)))
		return error;
	return root_open(&launcher->root, &root, fault);
}

/* An ordinary user becomes root of a user namespace that has no id but the user's own, and of a mount namespace in it. From
 * there everything is made as by root, as far as one id goes (user_namespaces(7)). */
static int
become_rootless(const char *state_dir, struct root_fault *fault)
{
	char uid_map[48], gid_map[48];
	int error;

	/* That of an earlier server's sessions, which a keeper holds, is entered. */
	int userns = state_dir ? store_userns(state_dir) : -ENOENT;
	if (userns >= 0) {
		fault->step = "enter the namespace of sessions";
		error = setns(userns, CLONE_NEWUSER) || unshare(CLONE_NEWNS) ? -errno : 0;
		close(userns);
		return error;
	}
	snprintf(uid_map, sizeof(uid_map), "0 %u 1\n", (unsigned)geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1\n", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) {
		error = -errno;
		fault->step = jail_userns_forbidden(true);
		if (!fault->step)
			fault->step = "make a user namespace without root";
		return error;
	}
	fault->step = "map the user's id";
	if ((error = text_write(-1, "/proc/self/setgroups", "deny")) ||
	    (error = text_write(-1, "/proc/self/uid_map", uid_map)))
		return error;
	return text_write(-1, "/proc/self/gid_map", gid_map);
}

int
launcher_open(struct launcher **out, const struct launcher_config *config, struct root_fault *fault)
{
	int error;

	umask(022);			/* /dev and /etc of sandboxes are for every user, whatever the caller's is */
	fault->step = "allocate memory";
	struct launcher *launcher = calloc(1, sizeof(*launcher));
	if (!launcher)
		return -ENOMEM;
	launcher->config = *config;
	launcher->token_dir = launcher->uids.locks[0] = launcher->uids.locks[1] = launcher->netns = -1;
	wait_open(&launcher->wait);
	fault->step = "build the filters";
	for (int role = SECCOMP_COMMAND; role <= SECCOMP_WATCHED; role++)
		if (role != SECCOMP_SERVER &&
		    (error = seccomp_build(&launcher->filters[role], (enum seccomp_role)role, 0)))
			goto err;
	fault->step = "open the token file";
	bool rootless = geteuid() != 0;
	if ((error = open_token_dir(launcher)) ||
	    (rootless && (error = become_rootless(config->state_dir, fault))))
		goto err;
	if (config->only_disk_kb && config->only_network == NETWORK_NONE)
		launcher->netns_maker = jail_netns_begin();
	fault->step = "take a block of uids";
	if (config->state_dir) {
		struct store_config store = { .dir = config->state_dir, .sessions_max = config->sessions_max,
			.kept = rootless };
		if ((error = store_open(&launcher->store, &store, &launcher->uids, fault)))
			goto err;
	} else if ((error = uid_block_open(&launcher->uids, 0, NULL))) {
		goto err;
	}
	find_facts(launcher);
	if ((error = open_slots(launcher)) || (error = open_namespaces(launcher, fault)))
		goto err;
	fault->step = "open the signals";
	if ((error = open_signals(launcher)))
		goto err;
	launcher->no_spare = !config->reuse && !config->only_disk_kb;
	fault->step = "make a user namespace";
	if ((error = try_userns(launcher)))
		goto err;
	fault->step = "unshare the cgroup namespace";
	if ((error = try_cgroup_namespace(launcher)))
		goto err;
	/* The clocks must be looked at in time also when sandboxes keep every core busy. */
	(void)setpriority(PRIO_PROCESS, 0, JAIL_NICE);
	fault->step = NULL;
	*out = launcher;
	return 0;
err:
	launcher_close(launcher, true);
	return error;
}

const struct launcher_facts *
launcher_facts(const struct launcher *launcher)
{
	return &launcher->facts;
}

unsigned
launcher_front_uid(const struct launcher *launcher)
{
	return launcher->uids.user + launcher->uids.slots - 1;
}
