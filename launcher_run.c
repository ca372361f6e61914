/* launcher_run.c - a run as the launcher has it: the order to pid 1, the clocks, the verdict
 *
 * The first cause that was seen is the verdict: a clock, the kernel's OOM counter, a cancel; else how the command ended. Time and
 * memory are the cgroup's; where there is none, /proc is sampled. */
#include "launcher_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"

static const int64_t least_look_ns = MILLISECOND;	/* between two looks at a CPU clock */
static const int64_t sample_ns = 20 * MILLISECOND;	/* between two looks where the kernel keeps no peak */
static const int64_t sockets_ns = 100 * MILLISECOND;	/* between two looks at the number of sockets */

/* What the queues of one socket may hold that no cgroup counts: netlink's answers, errors of UDP, a connection that nobody has
 * accepted. The command cannot raise it (seccomp_table.c), and the kernel begins with 208 KB for each direction. */
enum { SOCKET_KB = 512 };

/* In place of what pid 1 has said. */
static void
report_fault(struct slot *slot, const char *step, int error)
{
	slot->report = (struct jail_report){ .type = JAIL_FAILED, .error = -error };
	snprintf(slot->report.step, sizeof(slot->report.step), "%s", step);
}

static void
read_usage(struct launcher *launcher, struct slot *slot, struct cgroup_usage *usage, bool final)
{
	int error = cgroup_read(slot->group, usage, final);

	/* Without the figures nobody can tell how it ended. */
	if (error && final && slot->report.type == JAIL_ENDED)
		report_fault(slot, "read the figures", error);
	if (by_group(launcher))
		return;
	/* The kernel may count memory, and its kills, all the same. */
	if (!final)
		sample_take(&slot->sample, root_proc(launcher->root), slot->pid);
	usage->cpu_ns = slot->sample.cpu_ns;
	usage->user_ns = slot->sample.user_ns;
	usage->system_ns = slot->sample.system_ns;
	usage->mem_kb = slot->sample.mem_kb;
	usage->peak_kb = slot->sample.peak_kb;
}

/* Runs of a session that overlap share a network namespace, so what each may have there is added up. */
static uint64_t
sockets_most(const struct launcher *launcher, const struct slot *slot)
{
	uint64_t most = 0;

	for (size_t i = 0; i < launcher->slots_len; i++) {
		const struct slot *other = &launcher->slots[i];
		if (other == slot || (slot->session && other->session == slot->session))
			most += other->run.limits.mem_kb / SOCKET_KB;
	}
	return most;
}

/* Whether it has too many: "sockets: used 12", of all kinds, in its network namespace. Where nothing can be opened for want of
 * descriptors or memory, -errno: a command can fill the host's table of open files, and then no figure in /proc is to be had. */
static int
count_sockets(const struct launcher *launcher, const struct slot *slot)
{
	char path[32], text[64];

	snprintf(path, sizeof(path), "%d/net/sockstat", (int)slot->pid);
	int n = text_read(root_proc(launcher->root), path, text, sizeof(text));
	if (n < 0)
		return n == -ENFILE || n == -EMFILE || n == -ENOMEM ? n : 0;
	const char *used = strpbrk(text, "0123456789");
	return used && slot->network != NETWORK_HOST && text_number(&used) > sockets_most(launcher, slot);
}

/* Its limits cannot be set, or not be watched. What pid 1 has said counts more. */
static void
fail(struct slot *slot, int error)
{
	if (!slot->report.type)
		report_fault(slot, "keep the limits", error);
	slot_kill(slot, VERDICT_INTERNAL);
}

/* How many cores the tree can use at once. */
static uint64_t
cores_of(const struct launcher *launcher, const struct slot *slot)
{
	uint64_t procs = slot->run.limits.procs;
	return procs < launcher->facts.cores ? procs : launcher->facts.cores;
}

/* When the tree could have used up its CPU time at the earliest: then is the next look. */
static void
look_again(struct launcher *launcher, struct slot *slot, uint64_t used_ns, int64_t now)
{
	uint64_t limit_ns = slot->run.limits.time_ms * MILLISECOND;
	bool sampled = !by_group(launcher) || cgroup_sampled(slot->group);
	int64_t least = by_group(launcher) ? least_look_ns : sample_ns;
	int64_t left = (int64_t)((limit_ns - used_ns) / cores_of(launcher, slot));

	int64_t most = sampled ? sample_ns : sockets_ns;
	if (left > most)
		left = most;
	slot->look = now + (left > least ? left : least);
	/* All looks together are a quarter of the launcher's time at most: nobody of the ordinary class runs meanwhile. */
	int64_t clock = wait_clock(), after = clock;
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].state == SLOT_RUNNING)
			after += 3 * (clock - now);
	if (slot->look < after)
		slot->look = after;
}

int64_t
run_wall_deadline(const struct slot *slot)
{
	return slot->started + (int64_t)slot->run.limits.wall_time_ms * MILLISECOND;
}

void
run_look(struct launcher *launcher, struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;

	if ((slot->state == SLOT_BUILDING || slot->state == SLOT_ENDING) && now >= slot->look) {
		slot_kill(slot, VERDICT_INTERNAL);
		return;
	}
	if (slot->state != SLOT_RUNNING)
		return;
	if (now >= slot->look) {
		int64_t began = wait_clock();
		read_usage(launcher, slot, &usage, false);
		if (usage.cpu_ns >= slot->run.limits.time_ms * MILLISECOND) {
			slot_kill(slot, VERDICT_TIME_LIMIT);
			return;
		}
		look_again(launcher, slot, usage.cpu_ns, began);
		int sockets = count_sockets(launcher, slot);
		if (sockets < 0)
			fail(slot, sockets);
		else if (sockets || (!by_group(launcher) && usage.mem_kb > slot->run.limits.mem_kb))
			slot_kill(slot, VERDICT_MEMORY_LIMIT);
	}
	if (now >= run_wall_deadline(slot))
		slot_kill(slot, VERDICT_WALL_TIME_LIMIT);
}

/* v1 takes one process and lets the rest of the tree live on: it is ended here. The event may come some milliseconds before
 * the counter moves, so the counter is read again until it does. */
void
run_look_for_oom(struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;

	if (slot->state != SLOT_RUNNING || cgroup_read(slot->group, &usage, true))
		return;
	if (usage.oom_kills) {
		slot_kill(slot, usage.host_oom ? VERDICT_HOST_MEMORY_LIMIT : VERDICT_MEMORY_LIMIT);
		slot->oom_until = 0;
	} else if (now >= slot->oom_until) {
		slot->oom_until = 0;
	}
}

/* By pid 1's root as /proc has it: a link of the kernel's, that no payload can turn. */
static int
resize_disk(struct launcher *launcher, struct slot *slot)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/root", (int)slot->pid);
	int tree = openat(root_proc(launcher->root), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return -errno;
	int error = root_tree_resize(tree, slot->run.limits.disk_kb);
	close(tree);
	if (!error)
		slot->disk_kb = slot->run.limits.disk_kb;
	return error;
}

void
run_order(struct launcher *launcher, struct slot *slot)
{
	struct jail_order order = {
		.operation = slot->run.operation, .has_copy_out = slot->run.has_copy_out,
		.limit_memory = !launcher->facts.cgroup.memory,
		.limit_procs = !launcher->facts.cgroup.pids,
		.limits = slot->run.limits,
	};
	struct cgroup_limits limits = {
		.mem_kb = slot->run.limits.mem_kb, .procs = slot->run.limits.procs + 1,
	};

	int error = 0;
	if (slot->disk_kb != slot->run.limits.disk_kb && !slot->session)
		error = resize_disk(launcher, slot);
	if (!error)
		error = cgroup_begin(slot->group, &limits);
	slot->used = true;
	slot->oom_until = 0;
	slot->started = wait_clock();
	memset(&slot->sample, 0, sizeof(slot->sample));
	if (error == -EBUSY) {
		slot_kill(slot, VERDICT_MEMORY_LIMIT);	/* less than pid 1 alone takes */
		return;
	}
	if (!error)
		error = message_send(slot->control, &order, sizeof(order), slot->fds, slot->fds_len);
	slot_close_fds(slot);
	if (error) {
		fail(slot, error);
		return;
	}
	slot->state = SLOT_RUNNING;
	look_again(launcher, slot, 0, slot->started);
}

void
run_take_report(struct slot *slot)
{
	struct jail_report report;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;
	ssize_t n;

	while ((n = message_receive(slot->control, &report, sizeof(report), fds, &fds_len)) ==
	    (ssize_t)sizeof(report)) {
		while (fds_len)
			close(fds[--fds_len]);
		report.step[sizeof(report.step) - 1] = '\0';
		/* The first that counts wins: "exited 127" follows a failed exec. What comes behind the end of a
		 * run is for the next look. */
		if (slot->report.type == 0 || slot->report.type == JAIL_READY)
			slot->report = report;
		if (report.type == JAIL_ENDED && report.alone)
			return;
	}
	/* pid 1 is ending, which takes a while: its pidfd tells when it has. The end of a socket is readable all the time. */
	if (n == 0)
		close_fd(&slot->control);
}

static void
set_ending(struct message_result *result, const struct slot *slot)
{
	int status = slot->report.wait_status;

	if (slot->report.type != JAIL_ENDED) {
		result->signal = SIGKILL;
		return;
	}
	if (WIFSIGNALED(status))
		result->signal = WTERMSIG(status);
	else
		result->exit_code = WEXITSTATUS(status);
}

static void
set_failure(struct message_result *result, const struct slot *slot)
{
	result->error = slot->report.error ? slot->report.error : EIO;
	snprintf(result->step, sizeof(result->step), "%s",
	    slot->report.step[0] ? slot->report.step : "pid 1 ended without a word");
}

/* Why the run ended, by what is known outside of it. */
static void
judge(const struct launcher *launcher, const struct slot *slot, const struct cgroup_usage *usage, int64_t now,
    struct message_result *result)
{
	bool ran = slot->started != 0;

	if (slot->decided && slot->verdict != VERDICT_INTERNAL) {
		result->verdict = (uint32_t)slot->verdict;
		result->signal = SIGKILL;
	} else if (ran && usage->oom_kills) {
		result->verdict = usage->host_oom ? VERDICT_HOST_MEMORY_LIMIT : VERDICT_MEMORY_LIMIT;
		set_ending(result, slot);
	} else if (slot->report.type == JAIL_EXEC) {
		result->verdict = VERDICT_EXEC_FAILED;
		result->exit_code = slot->report.error == ENOENT || slot->report.error == ENOTDIR ? 127 : 126;
		result->error = slot->report.error;
	} else if (slot->report.type != JAIL_ENDED) {
		result->verdict = VERDICT_INTERNAL;
		set_failure(result, slot);
	} else {
		set_ending(result, slot);
		result->verdict = result->signal ? VERDICT_SIGNALED : VERDICT_EXITED;
		/* It ended by itself before the next look, which may be late on a host that is busy, but not within its limit. */
		if (usage->cpu_ns > slot->run.limits.time_ms * MILLISECOND)
			result->verdict = VERDICT_TIME_LIMIT;
		else if (now > run_wall_deadline(slot))
			result->verdict = VERDICT_WALL_TIME_LIMIT;
		else if (!by_group(launcher) && usage->peak_kb > slot->run.limits.mem_kb)
			result->verdict = VERDICT_MEMORY_LIMIT;
	}
}

void
run_refuse(struct launcher *launcher, const struct message_run *run, const char *step, int error)
{
	struct message_result result = {
		.type = MESSAGE_RESULT, .run = run->run, .generation = run->generation, .by_group = by_group(launcher),
		.verdict = VERDICT_INTERNAL, .exit_code = -1, .error = error < 0 ? -error : error,
	};

	snprintf(result.step, sizeof(result.step), "%s", step);
	launcher_answer(launcher, &result, sizeof(result), -1);
}

/* The command has ended, and nothing of it is left: what is known of it goes to the front. */
void
run_conclude(struct launcher *launcher, struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;
	struct message_result result = {
		.type = MESSAGE_RESULT, .run = slot->run.run, .generation = slot->run.generation,
		.exit_code = -1, .by_group = by_group(launcher),
	};

	if (!by_group(launcher) && slot->report.type == JAIL_ENDED)
		sample_end(&slot->sample, slot->report.user_ns, slot->report.system_ns,
		    slot->report.max_rss_kb);
	read_usage(launcher, slot, &usage, true);
	if (usage.sampled && slot->report.type == JAIL_ENDED && slot->report.max_rss_kb > usage.peak_kb)
		usage.peak_kb = slot->report.max_rss_kb;
	judge(launcher, slot, &usage, now, &result);
	if (slot->session)
		result.disk_used_kb = store_used_kb(launcher->store, slot->session);
	if (slot->started) {
		result.usage.cpu_ns = usage.cpu_ns;
		result.usage.user_ns = usage.user_ns;
		result.usage.system_ns = usage.system_ns;
		result.usage.mem_kb = usage.peak_kb;
		result.usage.wall_ns = (uint64_t)(now - slot->started);
	}
	launcher_answer(launcher, &result, sizeof(result), -1);
	slot_end_run(slot);
}
