import com.couchbase.lite.CouchbaseLite;
import com.couchbase.lite.Database;
import com.couchbase.lite.LogLevel;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.json.JSONObject;

/**
 * Couchbase Lite with its databases in one directory, which is the only argument. Each line of standard input is a request,
 * {"number":1,"do":"get","database":"mine","id":"a"}; each line of standard output is the answer to one, {"number":1,"result":…} or
 * {"number":1,"failure":"…"}. Answers come in any order: a request that waits holds up no other. Ends with its standard input.
 */
public final class Witness {
  /** Carries out one kind of request; the result is something that JSONObject can hold, or null. */
  interface Command {
    Object run(JSONObject request) throws Exception;
  }

  private final Map<String, Command> commands = new HashMap<>();
  private final PrintStream out;

  private Witness(PrintStream out) {
    this.out = out;
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    System.setOut(System.err);
    File directory = new File(args[0]);
    CouchbaseLite.init(false, directory, new File(directory, "scratch"));
    Database.log.getConsole().setLevel(LogLevel.valueOf(System.getProperty("witness.log", "ERROR")));
    Witness witness = new Witness(out);
    Databases databases = new Databases(directory);
    databases.register(witness.commands);
    new Documents(databases).register(witness.commands);
    new Numbers(databases).register(witness.commands);
    new Replications(databases).register(witness.commands);
    witness.answerAll();
    System.exit(0);
  }

  private void answerAll() throws Exception {
    ExecutorService threads = Executors.newCachedThreadPool();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JSONObject request = new JSONObject(line);
      threads.execute(() -> answer(request));
    }
  }

  private void answer(JSONObject request) {
    Map<String, Object> line = new HashMap<>();
    line.put("number", request.opt("number"));
    try {
      Command command = commands.get(request.getString("do"));
      if (command == null) throw new IllegalArgumentException("no such command");
      Object result = command.run(request);
      line.put("result", result == null ? JSONObject.NULL : result);
    } catch (Throwable failure) {
      failure.printStackTrace(System.err);
      line.put("failure", failure.toString());
    }
    synchronized (out) {
      out.println(new JSONObject(line));
      out.flush();
    }
  }
}
