# Sent to a host of databases and run there by sh: finds, shows and ends the server that listens on a TCP port.
#
#   sh -s -- find PORT | end SIGNAL PORT | show PORT...

# The pid of the MariaDB or MySQL server that listens there; nothing when there is none.
find_server() {
    inodes=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v want="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == want { print $10 }')
    [ -n "$inodes" ] || return 0
    for comm in $(grep -lxE 'mariadbd|mysqld' /proc/[0-9]*/comm 2>/dev/null); do
        links=$(ls -l "${comm%comm}fd" 2>/dev/null)
        for inode in $inodes; do
            case $links in *"socket:[$inode]"*) basename "${comm%/comm}"; return ;; esac
        done
    done
    # A listener whose process cannot be seen: another program, or another account's server.
    echo hidden
}

# State and time of start of a process: it is the same one while the second is the same.
life() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1,20; }

require_visible() {
    [ "$1" = hidden ] || return 0
    echo "port $2 is taken by another program, or by a server that this account may not touch" >&2
    exit 77
}

end_server() {
    pid=$(find_server "$2")
    require_visible "$pid" "$2"
    [ -n "$pid" ] || return 0
    born=$(life "$pid")
    born=${born#* }
    kill -s "$1" "$pid" || exit 77
    [ "$1" = KILL ] || kill -s CONT "$pid" 2>/dev/null
    while :; do
        now=$(life "$pid")
        case $now in "" | Z* | X*) return ;; esac
        [ "${now#* }" = "$born" ] || return
        sleep 0.05
    done
}

part() { printf '@@%s\n' "$1"; }

show() {
    part hostname; uname -n
    part kernel; uname -r
    part os_release; cat /etc/os-release 2>/dev/null
    part meminfo; cat /proc/meminfo
    part cpuinfo; cat /proc/cpuinfo
    part uptime; cat /proc/uptime
    part ticks; getconf CLK_TCK
    part page; getconf PAGESIZE
    for port in "$@"; do
        pid=$(find_server "$port")
        part "pid $port"; echo "$pid"
        case $pid in
            "" | hidden) ;;
            # A server's working directory is its data directory.
            *) part "stat $port"; cat "/proc/$pid/stat"; part "disk $port"; du -sk "/proc/$pid/cwd/" 2>/dev/null ;;
        esac
    done
}

verb=$1
shift
case $verb in
    find) found=$(find_server "$1"); require_visible "$found" "$1"; echo "$found" ;;
    end) end_server "$1" "$2" ;;
    show) show "$@" ;;
esac
