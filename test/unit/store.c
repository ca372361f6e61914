/* needs: buf.c json.c limit.c log.c message.c result.c root.c time_text.c uid.c wait.c */
/* store.c's tests: the namespace of sessions, opened and closed as a launcher does it */
#include "../../store.c"

#include "test.h"

enum { FAILED = 99 };

static char state_dir[64];
static size_t made_on, opened_on;

static int set_cpu(size_t cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

/* In a mount namespace made on one CPU, with a store opened on another. */
static void open_and_close(void)
{
	struct store_config config = { .dir = state_dir, .sessions_max = 4 };
	struct uid_block uids = { .locks = { -1, -1 } };
	struct root_fault fault = { NULL };
	struct store *store;

	if (set_cpu(made_on) || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    set_cpu(opened_on))
		_exit(FAILED);
	int error = store_open(&store, &config, &uids, &fault);
	if (error) {
		printf("# %s: %s\n", fault.step, strerror(-error));
		_exit(FAILED);
	}
	CHECK_INT(store->keeper, 0);
	cpu_set_t after;
	CHECK(!sched_getaffinity(0, sizeof(after), &after));
	CHECK_INT(CPU_COUNT(&after), 1);
	CHECK(CPU_ISSET(opened_on, &after));
	store_close(store, false);
	uid_block_close(&uids);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	fflush(stdout);
	_exit(test_failures != 0);
}

TEST("the namespace of sessions is pinned on whichever CPU it is made: no process has to keep it")
{
	const char *tmp = getenv("TMPDIR");
	cpu_set_t allowed;
	int status;

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(!sched_getaffinity(0, sizeof(allowed), &allowed));
	for (size_t i = 0; i < 64; i++) {
		made_on = i % 8;
		opened_on = i / 8;
		if (!CPU_ISSET(made_on, &allowed) || !CPU_ISSET(opened_on, &allowed))
			continue;
		snprintf(state_dir, sizeof(state_dir), "%.40s/store.XXXXXX", tmp ? tmp : "/tmp");
		CHECK(mkdtemp(state_dir) != NULL);
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			open_and_close();
		CHECK_INT(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		CHECK(!rmdir(state_dir));
	}
}

TEST_MAIN()
