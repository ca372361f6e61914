/* needs: */
/* limit.c's tests: the defaults of the contract, and how they are worked out */
#include "../../limit.c"

#include "test.h"

TEST("what is not given is the contract's default")
{
	static const struct {
		enum limit_id id;
		uint64_t value;
	} defaults[] = {
		{ LIMIT_TIME, 5000 }, { LIMIT_WALL_TIME, 60000 }, { LIMIT_MEM, 2097152 }, { LIMIT_FSIZE, 10240 },
		{ LIMIT_NOFILE, 64 }, { LIMIT_STACK, 8192 }, { LIMIT_PROCS, 128 }, { LIMIT_DISK, 262144 },
		{ LIMIT_OUTPUT, 1024 },
	};
	struct limits limits = { .time_ms = 0 };

	limits_resolve(&limits, NULL);
	CHECK_INT(sizeof(defaults) / sizeof(defaults[0]), LIMITS_LEN);
	for (size_t i = 0; i < LIMITS_LEN; i++)
		CHECK_INT(limits_get(&limits, defaults[i].id), defaults[i].value);
}

TEST("each limit is set and read by its own place")
{
	struct limits limits = { .time_ms = 0 };

	for (int i = 0; i < LIMITS_LEN; i++)
		limits_set(&limits, (enum limit_id)i, (uint64_t)i + 100);
	for (int i = 0; i < LIMITS_LEN; i++)
		CHECK_INT(limits_get(&limits, (enum limit_id)i), i + 100);
	CHECK_INT(limits.time_ms, 100 + LIMIT_TIME);
	CHECK_INT(limits.output_kb, 100 + LIMIT_OUTPUT);
	CHECK_INT(sizeof(limits), LIMITS_LEN * sizeof(uint64_t));
}

TEST("wall_time is a minute, or twice the time where that is more, unless it is given")
{
	struct limits limits = { .time_ms = 30000 };

	limits_resolve(&limits, NULL);
	CHECK_INT(limits.wall_time_ms, 60000);
	limits = (struct limits){ .time_ms = 30001 };
	limits_resolve(&limits, NULL);
	CHECK_INT(limits.wall_time_ms, 60002);
	limits = (struct limits){ .time_ms = 300000, .wall_time_ms = 1 };
	limits_resolve(&limits, NULL);
	CHECK_INT(limits.wall_time_ms, 1);
	limits = (struct limits){ .time_ms = limit_fields[LIMIT_TIME].greatest };
	limits_resolve(&limits, NULL);
	CHECK_INT(limits.wall_time_ms, limit_fields[LIMIT_WALL_TIME].greatest);
}

TEST("a session's defaults come before the table's, what the run gives before both")
{
	struct limits defaults = { .time_ms = 100, .wall_time_ms = 200, .mem_kb = 300 };
	struct limits limits = { .mem_kb = 1 };

	limits_resolve(&limits, &defaults);
	CHECK_INT(limits.time_ms, 100);
	CHECK_INT(limits.wall_time_ms, 200);
	CHECK_INT(limits.mem_kb, 1);
	CHECK_INT(limits.nofile, 64);
}

TEST("the greatest values fit what the kernel is told")
{
	/* ns and bytes, in int64_t. */
	CHECK(limit_fields[LIMIT_TIME].greatest <= INT64_MAX / 1000000 / 2);
	CHECK(limit_fields[LIMIT_WALL_TIME].greatest <= INT64_MAX / 1000000 / 2);
	for (int i = 0; i < LIMITS_LEN; i++) {
		CHECK(limit_fields[i].name && limit_fields[i].option && limit_fields[i].unit && limit_fields[i].help);
		CHECK(limit_fields[i].standard <= limit_fields[i].greatest);
		CHECK(limit_fields[i].greatest <= INT64_MAX >> 10);
	}
}

TEST_MAIN()
