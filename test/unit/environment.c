/* needs: buf.c parcel.c */
/* environment.c's tests: what a command finds in its environment */
#include "../../environment.c"

#include <unistd.h>

#include "test.h"

/* The environment that comes out of a parcel, a line each. */
static void packed(char *out, size_t size, const struct variable *variables, size_t len)
{
	struct parcel parcel;
	struct buf buf;

	out[0] = '\0';
	buf_init(&buf, 65536);
	parcel_begin(&buf);
	environment_pack(&buf, variables, len);
	parcel_cwd(&buf, STR("/"));
	int fd = parcel_seal("test", buf_str(&buf));
	buf_free(&buf);
	if (fd < 0 || parcel_open(&parcel, fd))
		return;
	size_t at = 0;
	for (char **env = parcel.envp; *env; env++)
		at += (size_t)snprintf(out + at, size - at, "%s\n", *env);
	parcel_close(&parcel);
	close(fd);
}

#define MINIMAL_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"

TEST("a command has a minimal environment, and nothing of ours")
{
	char text[4096];

	packed(text, sizeof(text), NULL, 0);
	CHECK(!strcmp(text, MINIMAL_PATH "HOME=/home/user\nUSER=user\nLANG=C.UTF-8\nTMPDIR=/tmp\n"));
}

TEST("what is given is added, and takes the place of the minimal")
{
	const struct variable variables[] = {
		{ STR("A"), STR("1=2") }, { STR("HOME"), STR("") }, { STR("EMPTY"), STR("") },
	};
	char text[4096];

	packed(text, sizeof(text), variables, 3);
	CHECK(!strcmp(text, MINIMAL_PATH "USER=user\nLANG=C.UTF-8\nTMPDIR=/tmp\nA=1=2\nHOME=\nEMPTY=\n"));
}

TEST("of two with one name the later counts, and a name is not its beginning")
{
	const struct variable variables[] = {
		{ STR("A"), STR("1") }, { STR("AB"), STR("2") }, { STR("A"), STR("3") }, { STR("PAT"), STR("4") },
	};
	char text[4096];

	packed(text, sizeof(text), variables, 4);
	CHECK(!strcmp(text, MINIMAL_PATH "HOME=/home/user\nUSER=user\nLANG=C.UTF-8\nTMPDIR=/tmp\nAB=2\nA=3\nPAT=4\n"));
}

TEST("a name has no '=' and no NUL, and is not empty")
{
	CHECK(environment_name_valid(STR("A")));
	CHECK(environment_name_valid(STR("a b.c-d")));
	CHECK(!environment_name_valid(STR("")));
	CHECK(!environment_name_valid(STR("=")));
	CHECK(!environment_name_valid(STR("A=")));
	CHECK(!environment_name_valid(STR("A\0B")));
}

TEST_MAIN()
