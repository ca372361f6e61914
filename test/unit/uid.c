/* needs: buf.c */
/* uid.c's tests: no two launchers have a uid in common */
#include "../../uid.c"

#include "test.h"

static bool apart(const struct uid_block *a, const struct uid_block *b)
{
	return a->number != b->number && a->init != b->init && a->user != b->user && a->session != b->session;
}

TEST("a block's uids are apart, and none is a user's")
{
	struct uid_block block;

	if (geteuid() != 0)
		SKIP("not root: there is one uid");
	CHECK_INT(uid_block_open(&block, 0, NULL), 0);
	CHECK(block.locks[1] >= 0 && !block.one);
	CHECK(block.init >= 1000);
	/* Above what distributions, users and systemd's containers have, below what is no id for all (-1, 0x80000000 and up). */
	CHECK(roomy.first >= 0x70000000);
	CHECK(roomy.first + (uint64_t)roomy.blocks * roomy.size <= 0x80000000u);
	CHECK(block.user >= block.init + block.slots);
	CHECK(block.session >= block.user + block.slots);
	CHECK(block.slots >= 128 && block.sessions >= 1024);
	uid_block_close(&block);
	CHECK_INT(block.locks[0], -1);
	CHECK_INT(block.locks[1], -1);
}

TEST("two launchers have two blocks")
{
	struct uid_block blocks[8];

	if (geteuid() != 0)
		SKIP("not root: there is one uid");
	for (size_t i = 0; i < 8; i++)
		CHECK_INT(uid_block_open(&blocks[i], i < 4 ? 0 : 12345, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < i; j++)
			CHECK(apart(&blocks[i], &blocks[j]));
	for (size_t i = 0; i < 8; i++)
		uid_block_close(&blocks[i]);
}

TEST("a state directory gets the same block again, unless another has it")
{
	struct uid_block first, second, third;

	if (geteuid() != 0)
		SKIP("not root: there is one uid");
	CHECK_INT(uid_block_open(&first, 987654321, NULL), 0);
	uint32_t number = first.number;
	CHECK_INT(uid_block_open(&second, 987654321, &number), -EADDRINUSE);
	CHECK_INT(second.locks[1], -1);
	CHECK_INT(uid_block_open(&second, 987654321, NULL), 0);
	CHECK(apart(&first, &second));
	uid_block_close(&second);
	uid_block_close(&first);
	CHECK_INT(uid_block_open(&third, 987654321, NULL), 0);
	CHECK_INT(third.number, number);
	uid_block_close(&third);
	CHECK_INT(uid_block_open(&third, 1, &number), 0);
	CHECK_INT(third.number, number);
	uid_block_close(&third);
}

/* As one would who is not root: a name is anybody's to take. */
static int take_abstract_name(uint64_t first)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "opensandbox-uids-%llu", (unsigned long long)first);
	return take_name(&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
}

TEST("a name that anybody may have taken keeps no launcher from a block that it must have, and another from one that it need not")
{
	struct uid_block block;

	if (geteuid() != 0)
		SKIP("not root: there is one uid");
	CHECK_INT(uid_block_open(&block, 123123123, NULL), 0);
	uint32_t number = block.number;
	uint64_t first = block.init;
	if (block.locks[0] < 0) {
		uid_block_close(&block);
		SKIP("no CAP_NET_BIND_SERVICE");
	}
	uid_block_close(&block);
	int name = take_abstract_name(first);
	CHECK(name >= 0);
	CHECK_INT(uid_block_open(&block, 123123123, NULL), 0);
	CHECK(block.number != number);
	CHECK(block.locks[0] >= 0 && block.locks[1] >= 0);
	uid_block_close(&block);
	CHECK_INT(uid_block_open(&block, 123123123, &number), 0);
	CHECK_INT(block.number, number);
	CHECK(block.locks[0] >= 0);
	CHECK_INT(block.locks[1], -EADDRINUSE);
	/* It is taken then. */
	close(name);
	struct uid_block other;
	CHECK_INT(uid_block_open(&other, 123123123, &number), -EADDRINUSE);
	uid_block_close(&block);
}

TEST("a block that there is not is refused")
{
	struct uid_block block;
	uint32_t number = UINT32_MAX;

	if (geteuid() != 0)
		SKIP("not root: there is one uid");
	CHECK_INT(uid_block_open(&block, 1, &number), -EADDRINUSE);
}

TEST_MAIN()
