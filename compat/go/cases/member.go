package cases

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

// AsMember is what this program does instead of running cases when it is started as `PROGRAM member ARGUMENTS`: join a
// group, call Joined once it has partitions, and poll until it is killed.
func AsMember(join func(arguments []string) error) {
	if len(os.Args) < 2 || os.Args[1] != "member" {
		return
	}
	if err := join(os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

var joined sync.Once

// Joined tells the process that started this member that it has partitions.
func Joined() {
	joined.Do(func() { fmt.Println("joined") })
}

// StartMember starts this program once more as a member; returns when it has partitions. Kill it to see what the group
// does without it.
func StartMember(arguments ...string) (*exec.Cmd, error) {
	command := exec.Command(os.Args[0], append([]string{"member"}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || line != "joined\n" {
		command.Process.Kill()
		command.Wait()
		return nil, fmt.Errorf("the other member says %q: %v", line, err)
	}
	return command, nil
}

// Kill is kill -9; the member does not leave its group.
func Kill(member *exec.Cmd) {
	member.Process.Kill()
	member.Wait()
}
