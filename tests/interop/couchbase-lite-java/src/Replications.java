import com.couchbase.lite.CouchbaseLiteException;
import com.couchbase.lite.DocumentFlag;
import com.couchbase.lite.ReplicatedDocument;
import com.couchbase.lite.Replicator;
import com.couchbase.lite.ReplicatorStatus;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * The replicators by name.
 *
 * <pre>
 *   start   {replicator, database, reset, …}   makes one with the settings of {@link Settings} and starts it; `reset` forgets its checkpoint
 *   await   {replicator, activity, ms}         waits until its activity is `activity`, fails when it stops before; its report
 *   stop    {replicator}
 *   report  {replicator}                       {"activity", "seen": activities so far, "error", "documents": [{"id","push","deleted","error"}]}
 *   pending {replicator}                       ids of documents that it has yet to push
 * </pre>
 */
final class Replications {
  private static final class Running {
    private static final long REST_MS = 10_000;

    final Replicator replicator;
    private final List<Map<String, Object>> documents = new ArrayList<>();
    private final List<String> seen = new ArrayList<>();

    Running(Replicator replicator) {
      this.replicator = replicator;
      replicator.addDocumentReplicationListener(replication -> {
        for (ReplicatedDocument document : replication.getDocuments()) ended(replication.isPush(), document);
      });
      replicator.addChangeListener(change -> changed(change.getStatus().getActivityLevel().name()));
    }

    private synchronized void ended(boolean push, ReplicatedDocument document) {
      Map<String, Object> line = new HashMap<>();
      line.put("id", document.getID());
      line.put("push", push);
      if (document.getFlags().contains(DocumentFlag.DELETED)) line.put("deleted", true);
      if (document.getError() != null) line.put("error", text(document.getError()));
      documents.add(line);
    }

    private synchronized void changed(String activity) {
      seen.add(activity);
      notifyAll();
    }

    /**
     * Waits until its latest status is `activity`. On a busy machine a STOPPED may be followed by a BUSY and another STOPPED, while
     * conflicts are being resolved; any other activity is not to be expected after it. Sometimes that other STOPPED is never told: what was
     * STOPPED and has told nothing for REST_MS is taken for that.
     */
    synchronized void await(String activity, long milliseconds) throws Exception {
      long end = System.nanoTime() + milliseconds * 1_000_000;
      while (seen.isEmpty() || !seen.get(seen.size() - 1).equals(activity)) {
        long left = (end - System.nanoTime()) / 1_000_000;
        boolean stopped = seen.contains("STOPPED");
        boolean over = stopped && !activity.equals("STOPPED");
        if (left <= 0 || over) throw new IllegalStateException("not " + activity + ", but " + seen + " " + replicator.getStatus());
        int told = seen.size();
        wait(stopped ? Math.min(left, REST_MS) : left);
        if (stopped && seen.size() == told) return;
      }
    }

    synchronized JSONObject report() throws Exception {
      ReplicatorStatus status = replicator.getStatus();
      JSONObject report = new JSONObject().put("activity", status.getActivityLevel().name()).put("seen", new JSONArray(seen));
      if (status.getError() != null) report.put("error", text(status.getError()));
      JSONArray lines = new JSONArray();
      for (Map<String, Object> line : documents) lines.put(new JSONObject(line));
      return report.put("documents", lines);
    }

    private static String text(CouchbaseLiteException error) {
      return error.getDomain() + " " + error.getCode() + " " + error.getMessage();
    }
  }

  private final Databases databases;
  private final Map<String, Running> replicators = new ConcurrentHashMap<>();

  Replications(Databases databases) {
    this.databases = databases;
  }

  void register(Map<String, Witness.Command> commands) {
    commands.put("start", this::start);
    commands.put("stop", request -> {
      of(request).replicator.stop();
      return null;
    });
    commands.put("await", request -> {
      of(request).await(request.getString("activity"), request.getLong("ms"));
      return of(request).report();
    });
    commands.put("report", request -> of(request).report());
    commands.put("pending", request -> new JSONArray(of(request).replicator.getPendingDocumentIds()));
  }

  private Running of(JSONObject request) throws Exception {
    return replicators.get(request.getString("replicator"));
  }

  private Object start(JSONObject request) throws Exception {
    Running running = new Running(new Replicator(Settings.of(databases.of(request), request)));
    replicators.put(request.getString("replicator"), running);
    running.replicator.start(request.optBoolean("reset"));
    return null;
  }
}
