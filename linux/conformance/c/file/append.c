// static. O_APPEND writes at the end whatever the offset, from several processes too; pwrite appends as Linux does.
#include "check.h"
int main(void) {
    put_file("f", "start ");
    int fd = open("f", O_RDWR | O_APPEND);
    lseek(fd, 0, SEEK_SET);
    CALL(write(fd, "one ", 4));
    CALL(lseek(fd, 0, SEEK_CUR));
    CALL(pwrite(fd, "two ", 4, 0));
    CALL(lseek(fd, 0, SEEK_CUR));
    char text[200];
    printf("%s\n", get_file("f", text, sizeof text));
    CALL(fcntl(fd, F_SETFL, 0));
    CALL(write(fd, "X", 1));
    CALL(pwrite(fd, "S", 1, 0));
    printf("%s\n", get_file("f", text, sizeof text));
    pid_t pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(int g = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        for (int j = 0; j < 100; j++) { char line[11]; snprintf(line, 11, "line %d %02d\n", i, j); write(g, line, 10); });
    for (int i = 0; i < 4; i++) reap(pid[i]);
    FILE *f = fopen("log", "r");
    int lines = 0, good = 0, next[4] = {0};
    while (fgets(text, sizeof text, f)) {
        int i, j;
        lines++;
        if (sscanf(text, "line %d %d", &i, &j) == 2 && next[i] == j) good++, next[i]++;
    }
    printf("lines %d in order %d\n", lines, good);
    return 0;
}
