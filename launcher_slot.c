/* launcher_slot.c - a slot and the sandbox in it: built, waiting, running, settling, killed, gone
 *
 * launcher.c's theory of operation has the states. */
#include "launcher_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	READY_KEPT = 1,			/* sandboxes that stay when nothing is asked for */
	WARM_KEPT = 4,			/* slots that keep their group and user namespace then */
	GIVEN_BACK_MOST = 4,		/* in a round */
	SETTLING_MOST = 4,		/* sandboxes that wait for the kernel */
	/* A session with more runs than this gets cgroups of its own, however little it writes: in those that all use each of
	 * its files could be what keeps one. */
	SHARING_RUNS = 32,
};
static const int64_t build_deadline_ns = 10ll * 1000 * MILLISECOND;
static const int64_t ready_ns = 10ll * 1000 * MILLISECOND;	/* more than READY_KEPT go after so long */
static const int64_t settle_ns = 200 * MILLISECOND;	/* what is charged after so long stays */
static const int64_t oom_settle_ns = 50 * MILLISECOND;	/* v1: the event comes before the counter moves */

struct slot *
slot_find(struct launcher *launcher, const struct message_run *run)
{
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state != SLOT_EMPTY && slot->has_run && slot->run.run == run->run)
			return slot;
	}
	return NULL;
}

struct slot *
slot_find_empty(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].state == SLOT_EMPTY)
			return &launcher->slots[i];
	return NULL;
}

/* Whether a sandbox that waits can be given to a run. */
static bool
has_settled(struct slot *slot)
{
	if (slot->settling && cgroup_again(slot->group) == CGROUP_NOW)
		slot->settling = false;
	return !slot->settling;
}

/* A sandbox that waits for a run of this kind, or is being built for whoever comes. Its disk is resized
 * by way of /proc, which shows an ordinary user's launcher no root of a process that is not dumpable. */
struct slot *
slot_find_ready(struct launcher *launcher, const struct message_run *run)
{
	struct slot *coming = NULL;

	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->has_run || slot->network != run->network ||
		    (launcher->uids.one && slot->disk_kb != run->limits.disk_kb))
			continue;
		if (slot->state == SLOT_READY && has_settled(slot))
			return slot;
		if (slot->state == SLOT_BUILDING)
			coming = slot;
	}
	return coming;
}

void
slot_close_fds(struct slot *slot)
{
	while (slot->fds_len)
		close(slot->fds[--slot->fds_len]);
}

void
session_remove(struct launcher *launcher, struct store_session *session)
{
	cgroup_shelf_close(&session->groups);
	(void)store_remove(launcher->store, session);
}

/* The session's last run is over: what it shared is given back, and if it is to go, it goes. */
static void
leave_session(struct launcher *launcher, struct store_session *session)
{
	if (!session || --session->running)
		return;
	close_fd(&session->netns);
	if (session->closing)
		session_remove(launcher, session);
}

/* The run is over, its sandbox may live on. */
void
slot_end_run(struct slot *slot)
{
	slot_close_fds(slot);
	slot->has_run = false;
}

static void
leave_group(struct slot *slot, struct store_session *session)
{
	if (!slot->group)
		return;
	if (!session || !cgroup_rest(&session->groups, slot->group, slot->lent || ++session->runs > SHARING_RUNS)) {
		if (!slot->lent && cgroup_reusable(slot->group))
			return;
		cgroup_group_close(slot->group);
	}
	slot->group = slot->spare;
	slot->spare = NULL;
	slot->lent = false;
}

/* The sandbox is gone. What may take time comes after the answer. */
static void
empty(struct launcher *launcher, struct slot *slot)
{
	struct store_session *session = slot->session;

	close_fd(&slot->control);
	close_fd(&slot->pidfd);
	close_fd(&slot->proc);
	slot->session = NULL;
	slot->state = SLOT_EMPTY;
	slot->look = launcher->wait.now + ready_ns;
	leave_group(slot, session);
	leave_session(launcher, session);
}

void
slot_fail(struct launcher *launcher, struct slot *slot, const char *step, int error)
{
	if (!slot->has_run) {
		launcher->no_spare = true;
		empty(launcher, slot);
		return;
	}
	run_refuse(launcher, &slot->run, step, error);
	slot_end_run(slot);
	empty(launcher, slot);
}

void
slot_kill(struct slot *slot, enum verdict verdict)
{
	if (slot->state == SLOT_EMPTY)
		return;
	if (!slot->decided) {
		slot->decided = true;
		slot->verdict = verdict;
	}
	slot->state = SLOT_KILLING;
	if (slot->group)
		(void)cgroup_kill(slot->group);
	jail_kill(slot->pidfd, slot->owner);
}

/* --- building ----------------------------------------------------------------------------------- */

static int
open_group(struct launcher *launcher, struct slot *slot)
{
	struct store_session *session = slot->session;
	struct cgroup_group *taken = session ? cgroup_take(&session->groups, slot->run.limits.mem_kb) : NULL;

	if (taken) {
		slot->spare = slot->group;
		slot->group = taken;
		slot->lent = true;
	}
	if (slot->group) {
		cgroup_lift(slot->group);
		return 0;
	}
	(void)cgroup_sweep(launcher->cgroup);
	return cgroup_group_open(launcher->cgroup, &slot->group);
}

static bool
has_writable_bind(const struct launcher_config *config)
{
	for (size_t i = 0; i < config->binds_len; i++)
		if (config->binds[i].writable)
			return true;
	return false;
}

/* A stateless run has its slot's user namespace, a session's run one with the session's uid. */
static int
open_userns(struct launcher *launcher, struct slot *slot, uid_t init_uid, uid_t user_uid)
{
	int *kept = slot->session ? &slot->session_userns : &slot->userns;

	if (!launcher->facts.userns)
		return -1;
	if (slot->session && slot->session_uid != user_uid)
		close_fd(kept);
	if (*kept >= 0)
		return *kept;
	int fd = jail_userns(root_proc(launcher->root), init_uid, user_uid, launcher->uids.one);
	if (fd >= 0)
		*kept = fd;
	if (slot->session)
		slot->session_uid = user_uid;
	return fd;
}

/* Runs of a session that overlap share one network namespace: the first one's. */
static int
find_netns(struct launcher *launcher, const struct slot *slot)
{
	struct store_session *session = slot->session;

	if (slot->network == NETWORK_HOST)
		return JAIL_NET_HOST;
	if (launcher->netns_maker > 0) {
		launcher->netns = jail_netns_end(launcher->netns_maker);
		launcher->netns_maker = 0;
		return launcher->netns >= 0 ? launcher->netns : JAIL_NET_NEW;
	}
	if (session && session->netns < 0) {
		session->netns = launcher->netns;
		launcher->netns = -1;
	}
	return session && session->netns >= 0 ? session->netns : JAIL_NET_NEW;
}

/* Where pid 1 has made one, it is the first one's; else the next one's is made now, while pid 1 is at work. */
static void
share_network(struct launcher *launcher, struct slot *slot)
{
	char path[32];
	struct store_session *session = slot->session;

	if (!session || slot->network == NETWORK_HOST)
		return;
	if (session->netns < 0) {
		snprintf(path, sizeof(path), "%d/ns/net", (int)slot->pid);
		session->netns = openat(root_proc(launcher->root), path, O_RDONLY | O_CLOEXEC);
	}
	if (launcher->netns < 0)
		launcher->netns = jail_netns(root_proc(launcher->root));
}

/* A sandbox can serve again only where nobody else shares its parts, and where pid 1's capabilities are of a user namespace. */
static bool
can_reuse(const struct launcher *launcher, const struct slot *slot)
{
	return launcher->config.reuse && launcher->facts.userns && !launcher->uids.one && !slot->session &&
	    slot->network == NETWORK_NONE && !has_writable_bind(&launcher->config) && by_group(launcher);
}

void
slot_build(struct launcher *launcher, struct slot *slot)
{
	struct store_session *session = slot->session;
	const struct uid_block *uids = &launcher->uids;
	bool one = uids->one;
	bool only = launcher->config.only_disk_kb;
	uid_t init_uid = one ? uids->init : uids->init + slot->number;
	uid_t user_uid = one ? uids->user : session ? store_uid(launcher->store, session) :
	    uids->user + slot->number;

	slot->owner = user_uid;
	slot->state = SLOT_BUILDING;
	slot->used = slot->settling = false;
	memset(&slot->report, 0, sizeof(slot->report));
	int error = open_group(launcher, slot);
	if (error) {
		slot_fail(launcher, slot, "make a cgroup", error);
		return;
	}
	int userns = open_userns(launcher, slot, init_uid, user_uid);
	if (userns < 0 && launcher->facts.userns) {
		slot_fail(launcher, slot, "make a user namespace", userns);
		return;
	}
	struct jail_plan plan = {
		.root = launcher->root, .group = slot->group,
		.filters = launcher->filters, .launcher = launcher->self, .userns = userns,
		.netns = find_netns(launcher, slot),
		.sessions = launcher->store ? store_namespace(launcher->store) : -1,
		.session = session ? session->path : NULL,
		.disk_kb = slot->disk_kb,
		.early = (launcher->config.reuse || only) && by_group(launcher), .reuse = can_reuse(launcher, slot),
		.init_uid = init_uid, .user_uid = user_uid,
		.cgroup_namespace = launcher->facts.cgroup_namespace, .one_uid = one,
	};
	pid_t pid = jail_spawn(&plan, &slot->pidfd, &slot->control);
	if (pid < 0) {
		slot_fail(launcher, slot, "clone", pid);
		return;
	}
	slot->pid = pid;
	slot->look = wait_clock() + build_deadline_ns;
	share_network(launcher, slot);
}

/* What a slot keeps for its next sandbox is a cgroup, a user namespace, and descriptors of them. */
static bool
keeps_spares(const struct slot *slot)
{
	return slot->state == SLOT_EMPTY && slot->number >= WARM_KEPT &&
	    (slot->group || slot->userns >= 0 || slot->session_userns >= 0);
}

static void
give_back(struct launcher *launcher)
{
	for (size_t i = 0, given = 0; i < launcher->slots_len && given < GIVEN_BACK_MOST; i++) {
		struct slot *slot = &launcher->slots[i];
		if (!keeps_spares(slot) || launcher->wait.now < slot->look)
			continue;
		cgroup_group_close(slot->group);
		slot->group = NULL;
		close_fd(&slot->userns);
		close_fd(&slot->session_userns);
		given++;
	}
}

/* Builds one ahead of need, and gives back what has not been needed for a while. */
void
slots_tend(struct launcher *launcher)
{
	int64_t now = launcher->wait.now;
	size_t coming = 0;

	launcher->ready = launcher->settling = 0;
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		launcher->ready += slot->state == SLOT_READY && !slot->settling;
		launcher->settling += slot->state == SLOT_READY && slot->settling;
		coming += slot->state == SLOT_BUILDING && !slot->has_run;
	}
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state != SLOT_READY || now < slot->look || (!slot->settling && launcher->ready <= READY_KEPT))
			continue;
		launcher->ready -= !slot->settling;
		slot_kill(slot, VERDICT_CANCELED);
	}
	give_back(launcher);
	struct slot *slot = slot_find_empty(launcher);
	if (launcher->no_spare || launcher->ready + coming >= READY_KEPT || !slot)
		return;
	slot->has_run = slot->decided = false;
	slot->session = NULL;
	slot->started = 0;
	const struct launcher_config *config = &launcher->config;
	slot->network = config->only_network;
	slot->disk_kb = config->only_disk_kb ? config->only_disk_kb : limit_fields[LIMIT_DISK].standard;
	slot_build(launcher, slot);
}

/* --- in the loop -------------------------------------------------------------------------------- */

/* pid 1 is gone, and with it everything in the sandbox. */
static void
end_sandbox(struct launcher *launcher, struct slot *slot, int64_t now)
{
	(void)wait_child(slot->pid);
	run_take_report(slot);
	if (slot->has_run)
		run_conclude(launcher, slot, now);
	else if (!slot->used)
		launcher->no_spare = true;
	empty(launcher, slot);
}

/* An entry of /proc has the time when it was first looked up, and so tells what an earlier run asked for. To reconfigure a file
 * system, if only to what it is already, drops every entry that nobody uses. Before the first run its /proc is still what it seems. */
static void
open_proc(struct launcher *launcher, struct slot *slot)
{
	char path[40];

	snprintf(path, sizeof(path), "%d/root/proc", (int)slot->pid);
	slot->proc = (int)syscall(SYS_fspick, root_proc(launcher->root), path, FSPICK_CLOEXEC);
}

static bool
forget_proc(const struct slot *slot)
{
	return slot->proc >= 0 && !syscall(SYS_fsconfig, slot->proc, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

static void
become_ready(struct slot *slot, int64_t now)
{
	slot->state = SLOT_READY;
	slot->look = now + (slot->settling ? settle_ns : ready_ns);
}

/* The run that has just ended has left no trace; what the kernel holds on its behalf may need a while. */
static bool
may_serve_again(const struct launcher *launcher, struct slot *slot)
{
	enum cgroup_again again = cgroup_again(slot->group);

	slot->settling = again == CGROUP_LATER;
	return again != CGROUP_NEVER && (!slot->settling || launcher->settling < SETTLING_MOST) && forget_proc(slot);
}

/* pid 1 has said something. */
static void
step_reports(struct launcher *launcher, struct slot *slot, int64_t now)
{
	run_take_report(slot);
	if (slot->state == SLOT_RUNNING && slot->report.type == JAIL_ENDED && slot->report.alone) {
		bool clean = slot->report.alone == JAIL_CLEAN;
		run_conclude(launcher, slot, now);
		slot->report.type = 0;
		if (clean && may_serve_again(launcher, slot)) {
			become_ready(slot, now);
			return;
		}
		slot->state = SLOT_ENDING;
		slot->look = now + build_deadline_ns;
		close_fd(&slot->control);	/* pid 1 takes that as its end */
		return;
	}
	if (slot->state != SLOT_BUILDING || slot->report.type != JAIL_READY)
		return;
	slot->report.type = 0;
	if (can_reuse(launcher, slot))
		open_proc(launcher, slot);
	if (slot->has_run)
		run_order(launcher, slot);
	else
		become_ready(slot, now);
}

void
slots_wait(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		slot->wait_pidfd = slot->wait_control = slot->wait_oom = WAIT_NONE;
		if (keeps_spares(slot))
			wait_until(&launcher->wait, slot->look);
		if (slot->state == SLOT_EMPTY)
			continue;
		slot->wait_pidfd = wait_add(&launcher->wait, slot->pidfd, POLLIN);
		if (slot->state != SLOT_KILLING)
			slot->wait_control = wait_add(&launcher->wait, slot->control, POLLIN);
		if (slot->state == SLOT_BUILDING || slot->state == SLOT_ENDING ||
		    (slot->state == SLOT_READY && (slot->settling || launcher->ready > READY_KEPT))) {
			wait_until(&launcher->wait, slot->look);
		} else if (slot->state == SLOT_RUNNING) {
			wait_until(&launcher->wait, slot->look);
			wait_until(&launcher->wait, run_wall_deadline(slot));
			if (slot->oom_until)
				wait_until(&launcher->wait, launcher->wait.now + MILLISECOND);
			else
				slot->wait_oom = wait_add(&launcher->wait, cgroup_oom_fd(slot->group),
				    POLLIN | POLLPRI);
		}
	}
}

void
slots_step(struct launcher *launcher)
{
	int64_t now = launcher->wait.now;

	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_EMPTY)
			continue;
		if (wait_ready(&launcher->wait, slot->wait_pidfd)) {
			end_sandbox(launcher, slot, now);
			continue;
		}
		if (wait_ready(&launcher->wait, slot->wait_control) && slot->state != SLOT_KILLING)
			step_reports(launcher, slot, now);
		if (wait_ready(&launcher->wait, slot->wait_oom)) {
			slot->oom_until = now + oom_settle_ns;
		}
		if (slot->oom_until)
			run_look_for_oom(slot, now);
		run_look(launcher, slot, now);
	}
}

void
slots_end(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++)
		slot_kill(&launcher->slots[i], VERDICT_CANCELED);
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_EMPTY)
			continue;
		(void)wait_child(slot->pid);
		slot->state = SLOT_EMPTY;
		slot_close_fds(slot);
		close_fd(&slot->control);
		close_fd(&slot->pidfd);
		close_fd(&slot->proc);
		leave_session(launcher, slot->session);
	}
}
