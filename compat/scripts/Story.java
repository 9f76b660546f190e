// One case of `cases/*.txt`: its steps are run once with Kafka's tools and once with ours, on names of their own, and what
// came out is compared step by step.

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

final class Story {
    /** One call of a tool, with what is said about it. */
    static final class Step {
        final String line;
        final StringBuilder input = new StringBuilder();
        final Map<String, String> masks = new LinkedHashMap<>();
        final List<String> says = new ArrayList<>();
        String until;
        int stderrLines;
        boolean sorted;
        boolean exitOnly;

        Step(String line) {
            this.line = line;
        }
    }

    private static final Pattern NAME = Pattern.compile("\\{([a-z][a-z0-9_]*)}");

    final String name;
    private final Map<String, StringBuilder> files = new LinkedHashMap<>();
    private final List<Step> steps = new ArrayList<>();
    /** The members that join a group before a step, by the step's number: protocol, group, topic and configs. */
    private final Map<Integer, List<String>> members = new LinkedHashMap<>();

    private Story(String name) {
        this.name = name;
    }

    static List<Story> read(Path file) {
        List<Story> stories = new ArrayList<>();
        String[] open = {null};
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.isBlank() || line.startsWith("#")) continue;
            String[] words = line.strip().split(" ", 2);
            String rest = words.length == 2 ? words[1] : "";
            if (words[0].equals("case")) stories.add(new Story(rest));
            else if (stories.isEmpty()) throw new IllegalArgumentException(file + ":" + (i + 1) + ": no case yet");
            else if (!stories.get(stories.size() - 1).take(words[0], rest, open)) throw new IllegalArgumentException(file + ":" + (i + 1) + ": " + line);
        }
        return stories;
    }

    private boolean take(String word, String rest, String[] open) {
        Step step = steps.isEmpty() ? null : steps.get(steps.size() - 1);
        switch (word) {
            case "$" -> steps.add(new Step(rest));
            case "member" -> members.computeIfAbsent(steps.size(), at -> new ArrayList<>()).add(rest);
            case "file" -> {
                files.put(rest, new StringBuilder());
                open[0] = rest;
            }
            case ">" -> files.get(open[0]).append(rest).append('\n');
            case "<" -> step.input.append(rest.replace("\\t", "\t")).append('\n');
            case "mask" -> step.masks.put(rest.split(" -> ", 2)[0], rest.split(" -> ", 2)[1]);
            case "says" -> step.says.add(rest);
            case "until" -> step.until = rest;
            case "stderr" -> step.stderrLines = rest.isEmpty() ? Integer.MAX_VALUE : Integer.parseInt(rest);
            case "sorted" -> step.sorted = true;
            case "exit-only" -> step.exitOnly = true;
            default -> {
                return false;
            }
        }
        return true;
    }

    /** Runs the story with both and fails at the first difference. */
    void compare(Path links) throws Exception {
        List<String> kafka = play(new Side("k", null));
        List<String> ottla = play(new Side("o", links));
        for (int i = 0; i < steps.size(); i++) {
            if (kafka.get(i).equals(ottla.get(i))) continue;
            System.err.println(name + "\n--- Kafka\n" + kafka.get(i) + "\n--- ottla\n" + ottla.get(i));
            throw new AssertionError("step " + (i + 1) + " differs: Kafka " + kafka.get(i) + " ottla " + ottla.get(i));
        }
    }

    private List<String> play(Side side) throws Exception {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("broker", Peer.BOOTSTRAP);
        names.put("controller", Peer.controller());
        names.put("data", Peer.DATA_DIR);
        for (Map.Entry<String, StringBuilder> file : files.entrySet()) {
            Path path = Path.of(System.getenv("COMPAT_WORK"), name + "-" + side.letter + "-" + file.getKey().replace('.', '_'));
            Files.writeString(path, fill(file.getValue().toString(), names, side));
            names.put(file.getKey().replace('.', '_'), path.toString());
        }
        List<Member> joined = new ArrayList<>();
        try {
            return play(side, names, joined);
        } finally {
            for (Member member : joined) member.close();
        }
    }

    private List<String> play(Side side, Map<String, String> names, List<Member> joined) throws Exception {
        List<String> seen = new ArrayList<>();
        for (Step step : steps) {
            for (String member : members.getOrDefault(seen.size(), List.of())) {
                joined.add(join(fill(member, names, side).split(" ")));
                Cases.eventually(member + " has partitions", () -> !joined.get(joined.size() - 1).assignment().isEmpty());
            }
            String[] words = split(fill(step.line, names, side));
            String input = fill(step.input.toString(), names, side);
            Side.Outcome[] outcome = {side.run(words[0], input, Arrays.copyOfRange(words, 1, words.length))};
            if (step.until != null) {
                String wanted = fill(step.until, names, side);
                Cases.eventually(step.line + " says " + step.until, () -> {
                    if (outcome[0].out().contains(wanted)) return true;
                    outcome[0] = side.runUnchecked(words[0], input, Arrays.copyOfRange(words, 1, words.length));
                    return false;
                });
            }
            seen.add(shown(step, outcome[0], names));
        }
        return seen;
    }

    /** A consumer that polls until the story ends. */
    private static Member join(String[] words) {
        List<String> configs = new ArrayList<>(List.of(Protocol.valueOf(words[0].toUpperCase(Locale.ROOT)).member(words[1])));
        for (String config : Arrays.copyOfRange(words, 3, words.length)) configs.addAll(List.of(config.split("=", 2)));
        return Member.join(List.of(words[2]), configs.toArray(new String[0]));
    }

    /** Names in braces that nobody has said are names of topics and groups: fresh ones, equally long on both sides. */
    private static String fill(String text, Map<String, String> names, Side side) {
        return NAME.matcher(text).replaceAll(match -> Matcher.quoteReplacement(
            names.computeIfAbsent(match.group(1), prefix -> side.freshName(prefix))));
    }

    private static String shown(Step step, Side.Outcome outcome, Map<String, String> names) {
        for (String text : step.says) {
            Cases.check((outcome.out() + outcome.err()).contains(text), step.line + " does not say " + text + ": " + outcome);
        }
        String shown = "exit " + outcome.exitCode();
        if (step.exitOnly) return shown;
        shown += "\n" + normal(step, outcome.out(), names, Integer.MAX_VALUE);
        return step.stderrLines == 0 ? shown : shown + "stderr:\n" + normal(step, outcome.err(), names, step.stderrLines);
    }

    private static String normal(Step step, String text, Map<String, String> names, int lines) {
        for (Map.Entry<String, String> name : names.entrySet()) text = text.replace(name.getValue(), "{" + name.getKey() + "}");
        for (Map.Entry<String, String> mask : step.masks.entrySet()) {
            text = Pattern.compile(mask.getKey(), Pattern.MULTILINE).matcher(text).replaceAll(Matcher.quoteReplacement(mask.getValue()));
        }
        // Output need not end with a line break.
        boolean isOpen = !text.isEmpty() && !text.endsWith("\n");
        var all = text.lines().limit(lines);
        return (step.sorted ? all.sorted() : all).collect(Collectors.joining("\n")) + (isOpen ? "" : "\n");
    }

    /** Words as a shell splits them, with single and double quotes. */
    private static String[] split(String line) {
        List<String> words = new ArrayList<>();
        Matcher matcher = Pattern.compile("(?:[^\\s'\"]|'[^']*'|\"[^\"]*\")+").matcher(line);
        while (matcher.find()) words.add(matcher.group().replaceAll("['\"]", ""));
        return words.toArray(new String[0]);
    }
}
