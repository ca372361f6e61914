/* replay.h - a fuzz target as a program that takes the files and directories of its corpus, one after the other */
#ifndef REPLAY_H
#define REPLAY_H

#ifdef FUZZ_REPLAY
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

static int replay(const char *path)
{
	static uint8_t data[65537];
	FILE *file = fopen(path, "rbe");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	return 0;
}

static int replay_directory(const char *path)
{
	char name[4096];
	DIR *directory = opendir(path);
	struct dirent *entry;
	int failed = 0;

	if (!directory)
		return replay(path);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed |= replay(name);
	}
	closedir(directory);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay_directory(argv[i]);
	return failed;
}
#endif

#endif
