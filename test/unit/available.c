/* needs: buf.c */
/* available.c's tests */
#include "../../available.c"

#include "test.h"

TEST("64 runs at once are begun with, fewer where memory is short, and never none")
{
	CHECK_INT(available_runs(UINT64_MAX), 64);
	CHECK_INT(available_runs(64 * 16384), 64);
	CHECK_INT(available_runs(64 * 16384 - 1), 63);
	CHECK_INT(available_runs(16384), 1);
	CHECK_INT(available_runs(0), 1);
}

TEST_MAIN()
